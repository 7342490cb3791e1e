// Reads a JSON list of TraceQL queries and writes one of the errors in each, by Grafana's own grammar:
// `node parse_traceql.mjs FOLDER < queries.json`, where FOLDER is where the grammar is installed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/");
const { parser } = require("@grafana/lezer-traceql");

const errors = JSON.parse(readFileSync(0, "utf8")).map((query) => {
  const found = [];
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) found.push(query.slice(0, node.from) + "⟨here⟩" + query.slice(node.from));
    },
  });
  return found;
});
console.log(JSON.stringify(errors));
