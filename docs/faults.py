"""The faults that must not hurt production: one row each. `docs/guarantees_page.py` adds the tests that prove it."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """A row of the page."""

    key: str
    """What the marker of a test says: `@pytest.mark.fault("hangs")`."""
    what: str
    sees: str
    """What is seen of it: a place of the closed books, a line in the log, how it ends."""


#: By whose fault it is.
FAULTS: dict[str, tuple[Fault, ...]] = {
    "The shadow": (
        Fault(
            "refuses",
            "Nobody listens at the shadow's address",
            "`shadow_error` with `ShadowUnreachable`. `SHADOW_BREAKER_FAILURES` in a row open the circuit; then `circuit_open` until a probe is answered",
        ),
        Fault(
            "hangs",
            "It takes the connection and never answers",
            "`shadow_timeout` after `SHADOW_TIMEOUT_SECONDS`; its place in the pool is free again",
        ),
        Fault("falls-silent", "It stops in the middle of an answer", "`shadow_timeout`"),
        Fault(
            "drips",
            "It sends its answer byte by byte",
            "`shadow_timeout`: the deadline is one over the whole call",
        ),
        Fault("resets", "It resets the connection in the middle of an answer", "`shadow_error`"),
        Fault(
            "cuts",
            "It ends the connection before its answer is whole",
            "`shadow_error`; half an answer is never compared",
        ),
        Fault("garbage", "What it sends is not HTTP", "`shadow_error` with `ShadowProtocolError`"),
        Fault(
            "garbles",
            "Its JSON arrives with broken bytes",
            "`incomparable` with the reason; never a disagreement",
        ),
        Fault(
            "stream-cut",
            "Its server-sent events end in the middle, or tell of an error",
            "`incomparable` with the reason; half an answer is never compared",
        ),
        Fault(
            "huge-answer",
            "Its answer is larger than `SHADOW_MAX_BODY_BYTES`, or has no end",
            "`shadow_error` with `ShadowAnswerTooLarge`; it is read up to the cap",
        ),
        Fault(
            "bomb",
            "Its answer is small and unpacks to gigabytes",
            "none is asked for (`Accept-Encoding: identity`); one that comes all the same is unpacked up to the cap: `incomparable`",
        ),
        Fault("header-flood", "Its headers have no end", "`shadow_error`"),
        Fault(
            "redirects",
            "It redirects, to the address of a cloud's credentials for example",
            "`shadow_error` with the status; nobody goes there",
        ),
        Fault(
            "metadata",
            "Its name comes to mean the address where a cloud hands out credentials",
            "`shadow_error` with `ShadowAddressRefused`: whatever a name means, no byte is sent to such an address",
        ),
        Fault(
            "foreign-network",
            "Its name comes to mean an address outside of `SHADOW_TARGET_NETWORKS`",
            "`shadow_error` with `ShadowAddressRefused`; the address that was checked is the one that is dialled, and an address that stands in the settings is refused when the app starts",
        ),
        Fault(
            "surplus",
            "It says more than one answer to a request",
            "the surplus is nobody's answer; the connection is not used again",
        ),
        Fault(
            "errors",
            "It answers with errors",
            "`shadow_error` with the status; those that speak of overload (429 and 5xx) open the circuit",
        ),
        Fault(
            "overload",
            "It asks to be left alone (429 or 503, with `Retry-After`)",
            "no call is repeated; `circuit_open` for as long as it asks, at most for `SHADOW_BREAKER_RESET_SECONDS`; after `SHADOW_BREAKER_FAILURES` it is asked nothing for so long in any case",
        ),
        Fault(
            "slow",
            "It is much slower than production",
            "at most `SHADOW_MAX_CONCURRENCY` calls at once, then a waiting line, then `queue_full`; other shadows are asked as before",
        ),
        Fault(
            "bends",
            "It gets slower the more it is asked at once",
            "with `SHADOW_ADAPTIVE_CONCURRENCY` it is asked as much at once as it bears, see [the governor](governor.md#adaptive-concurrency); nothing is lost by that",
        ),
        Fault("crawls", "It takes the request in a trickle", "`shadow_timeout`"),
        Fault("name-unknown", "Its name can't be looked up", "`shadow_error` with `ShadowUnreachable`"),
        Fault(
            "name-slow",
            "The name server does not answer",
            "`shadow_timeout`; other shadows are asked as before, and the app's end does not wait for it",
        ),
        Fault(
            "certificate",
            "Its certificate has expired, is another host's, or is signed by somebody unknown",
            "`shadow_error` with `ShadowUnreachable`; nothing is sent, least of all in the clear",
        ),
        Fault(
            "restarts",
            "It was restarted, and the kept connections are dead",
            "a new connection is made; a request is sent a second time only where not one byte of an answer had come, and once at most",
        ),
        Fault(
            "writes",
            "Its server stores, bills or sends on what it is asked",
            "nothing keeps it from that unless its server has the [guard](guard.md), which stops or records it; your callers' requests to that server go on as before",
        ),
        Fault("flaps", "It comes and goes", "one probe at a time, whatever else is under way"),
        Fault(
            "shadow-reaches-out",
            "Its server connects to a database, the internet or a cloud's metadata",
            "on Kubernetes the policies of the [example](isolation.md) let it reach nobody, which was checked by their meaning and not on a cluster",
        ),
    ),
    "The caller and the app": (
        Fault("full", "More comes than the shadow can take", "`queue_full`: the newest is dropped"),
        Fault(
            "full-bytes",
            "What waits for the shadow is large",
            "`queue_full` once `SHADOW_QUEUE_BYTES` are held",
        ),
        Fault(
            "large-upload",
            "A request is larger than `SHADOW_MAX_BODY_BYTES`",
            "`too_large`; production gets all of it, and its memory does not grow",
        ),
        Fault(
            "no-length", "A request has no length but comes in chunks", "mirrored as it came, in one piece"
        ),
        Fault(
            "unread",
            "The app answers without reading the body",
            "`request_incomplete`: it is not read for it",
        ),
        Fault("half-read", "The app answers after half of the body", "`request_incomplete`"),
        Fault(
            "leaves-upload",
            "The caller leaves in the middle of its upload",
            "the app hears of it; `request_incomplete`",
        ),
        Fault(
            "leaves-answer",
            "The caller leaves in the middle of the answer",
            "the app hears of it; `production_error`, and half an answer is never compared",
        ),
        Fault(
            "raises",
            "The app raises before it answers",
            "its error goes on to the server; `production_error`",
        ),
        Fault(
            "raises-late",
            "The app raises in the middle of its answer",
            "its error goes on to the server; `production_error`",
        ),
        Fault(
            "secrets",
            "Secrets stand in bodies, headers or the query",
            "what `SHADOW_REDACT` and `SHADOW_REDACT_REQUEST` name is in nothing that is kept, shown or sent: see [privacy](privacy.md). The verdict is made on the true values",
        ),
        Fault(
            "streams",
            "The app streams its answer",
            "each part goes out as it is made; what is kept is capped",
        ),
        Fault(
            "other-scopes",
            "A websocket, or the start and stop of the app",
            "they pass untouched, with the very objects they came with",
        ),
        Fault(
            "continue",
            "The caller waits for `100 Continue`",
            "the app decides, as without the mirror: nothing is read before it does",
        ),
        Fault(
            "odd-app",
            "The app breaks the protocol: texts for bytes, headers that are none, messages out of order",
            "the server sees the same; a capture that fails is one warning",
        ),
        Fault(
            "trio",
            "The app runs on trio, uvloop, gevent, eventlet or no loop at all",
            "it is mirrored, or passes as without the mirror where that can't be",
        ),
        Fault(
            "loop-ends",
            "The app's loop is closed while shadows are being asked",
            "no warning, nothing pending: none of it runs on that loop",
        ),
    ),
    "The mirror and its host": (
        Fault(
            "mirror-killed",
            "The mirror process is killed",
            "another one is started; what it had is `worker_lost`",
        ),
        Fault(
            "host-overloaded",
            "The host is too busy",
            "above `SHADOW_MAX_HOST_LOAD` less is mirrored, until it is calm again: `governed`, see [the governor](governor.md)",
        ),
        Fault(
            "added-time",
            "Mirroring itself takes too long on production's side",
            "above `SHADOW_MAX_ADDED_SECONDS` less is mirrored, until it is right again: `governed`",
        ),
        Fault("mirror-frozen", "The mirror process is stopped", "`queue_full`, until it goes on"),
        Fault(
            "sidecar-ends",
            "A worker beside production in its pod crashes again and again",
            "the [example](isolation.md#sidecar-or-kafka)'s container goes on and starts another, so that Kubernetes keeps sending callers to production",
        ),
        Fault(
            "mirror-memory",
            "The mirror process is short of memory",
            "it ends and another one comes; where none can live, one line says that mirroring is off",
        ),
        Fault(
            "forks",
            "The app forks, before or after it has mirrored",
            "each process mirrors its own, and each exchange is booked once",
        ),
        Fault(
            "terminated",
            "The app is told to end while much waits",
            "it ends within `SHADOW_DRAIN_SECONDS`; what is left is `worker_lost`",
        ),
        Fault(
            "killed",
            "The app, or its worker, is killed",
            "the mirror process and the models' processes go with it; what had gathered in the last tenth of a second is lost uncounted",
        ),
        Fault("reloads", "The server reloads the app", "no process is left behind, and no exchange is lost"),
        Fault("exits", "The interpreter ends", "without a line on stderr, and with everything in the store"),
        Fault(
            "shared-quota",
            "Production and its mirror share a CPU quota, as in a container, and it runs out",
            "mirror and models give half of what they use back each time, and take it slowly again: what waits meanwhile is `queue_full`, and a slowed model's call may be `shadow_timeout`",
        ),
        Fault(
            "thread-ends",
            "The thread of the app that was the first to mirror ends",
            "nothing: the mirror process and the models' processes live on",
        ),
        Fault(
            "clock",
            "The clock jumps, back or ahead",
            "latencies, deadlines and the circuit go by a clock that does not jump; the times of records show it, and how long an exchange has waited (`queue_us`), which may be between two hosts",
        ),
        Fault(
            "configuration",
            "Variables are changed, or broken, after the app has started",
            "nothing: settings are read once, and a mirror process that is started later has those of the app's start",
        ),
        Fault(
            "disk",
            "The disk is full, read-only or gone",
            "one warning; records are dropped and counted as `records_dropped`, and kept again once there is room",
        ),
        Fault(
            "purge",
            "Records are purged while an app writes, or the purge is killed",
            "the app goes on in another file; all other records stay; the next purge or compaction finishes or undoes it",
        ),
        Fault(
            "store-damaged",
            "Files of the embedded store are damaged, or were altered",
            "lines that hold no record are left out; `shadow-mw doctor` names what is damaged, and nothing outside of the store is deleted for what a journal says",
        ),
        Fault(
            "store-away",
            "The database goes away and comes back",
            "what is written meanwhile is dropped and counted, or waited for behind a broker; nothing is in it twice",
        ),
        Fault(
            "collector-away", "Nobody takes the spans and metrics", "they are dropped; nothing waits for them"
        ),
        Fault(
            "descriptors",
            "The app runs out of file descriptors",
            "production answers; mirroring goes on once there are some; the mirror holds no more than its pool is large",
        ),
        Fault(
            "no-children",
            "The host forbids child processes",
            "one warning; the worker is a thread of the app",
        ),
        Fault(
            "log-raises",
            "A log handler raises",
            "production answers, and mirroring goes on without that line",
        ),
        Fault(
            "log-blocks",
            "A log handler blocks",
            "production answers: what becomes of shadows is logged by threads that serve no request. Only a first failure of the capture itself is logged where it happens",
        ),
        Fault(
            "comparator-raises",
            "A comparator of yours raises",
            "`incomparable`, with its error as the reason",
        ),
        Fault(
            "comparator-blocks",
            "A comparator of yours blocks",
            "the worker waits, production does not; what has no room meanwhile is `queue_full`",
        ),
    ),
    "All of it": (
        Fault(
            "everything",
            "One fault after the other, at random, for as long as you let it run",
            "the same answers as from a twin without the mirror, closed books, and no more memory, descriptors, threads "
            "or children than before: see [the soak](performance.md#the-soak)",
        ),
    ),
    "A model in Python": (
        Fault(
            "model-crashes",
            "It crashes its process",
            "`shadow_error`; another process is started, after a pause that doubles",
        ),
        Fault("model-hangs", "It never returns", "`shadow_timeout`; its process is killed"),
        Fault(
            "model-grows",
            "Its memory grows",
            "`shadow_error` at `SHADOW_MEMORY_BYTES`, by the kernel or by the watch on its process",
        ),
        Fault(
            "model-prints",
            "It writes to stdout and stderr",
            "nothing: nobody reads that, and it fills nothing",
        ),
        Fault(
            "model-frames",
            "Its process sends what is no answer, or announces gigabytes",
            "`shadow_error`; the process is killed before anything large is read",
        ),
        Fault(
            "model-start",
            "It is slow to import, or can't be imported",
            "the app is up at once; calls meet the deadline or `ShadowUnreachable` with the reason",
        ),
        Fault(
            "model-raises",
            "It raises, or returns what has no JSON",
            "`shadow_error` with the name of its error",
        ),
        Fault(
            "model-network",
            "It opens connections",
            "the kernel refuses it, which to the model is an error as any other; `SHADOW_SANDBOX` says how much is asked of the kernel",
        ),
        Fault(
            "model-writes",
            "It changes files, starts programs, or signals and traces other processes",
            "as above; a scratch folder of its own is all that it may write to",
        ),
        Fault("model-descriptors", "It opens ever more files", "it gets 1,024 descriptors"),
        Fault(
            "sandbox-missing",
            "The kernel lacks a part of the sandbox",
            "`shadow-mw check` names it, and the rest holds; with `strict` the model is not asked: `shadow_error`, and one line",
        ),
        Fault(
            "model-burns",
            "It burns all CPU it gets",
            "its process comes last with all its threads, is stopped where it uses up a CPU quota, and ends at the deadline of the call: `shadow_timeout`. What it leaves to production is [measured](performance.md#beside-a-model-that-burns)",
        ),
    ),
    "Kafka": (
        Fault(
            "kafka-away",
            "No broker is there when the app starts",
            "the app starts; what the reserve can't hold is `queue_full`; one line in the log",
        ),
        Fault(
            "kafka-frozen",
            "The broker takes connections and does nothing",
            "no send waits; the reserve fills, then `queue_full`; the end is in time",
        ),
        Fault("kafka-restarts", "The broker is killed and comes back", "everything arrives, once"),
        Fault(
            "kafka-far",
            "Each answer of the broker takes seconds",
            "no send waits for one; everything arrives",
        ),
        Fault(
            "kafka-leader",
            "The broker says that another one leads the partition, or that it can't take anything for the moment",
            "it is sent again, and there once",
        ),
        Fault(
            "kafka-denied",
            "The user of the app, or of the worker, lacks a right (ACL)",
            "the app's exchanges are `queue_full`, the worker waits and is not ready; one line in the log of each; it goes "
            "on once the right is given",
        ),
        Fault("kafka-large", "An exchange is larger than the topic takes", "`too_large`"),
        Fault(
            "kafka-no-topic",
            "The topic is not there",
            "`queue_full` and one line in the log; it is used once it is made",
        ),
        Fault(
            "kafka-worker-killed",
            "A worker is killed in the middle of its work",
            "another one gets what it had; each exchange is in the store once",
        ),
        Fault(
            "kafka-rebalance",
            "Workers come and go",
            "nothing is lost, nothing is told the broker for a partition that is another's",
        ),
        Fault(
            "kafka-dead-letters-away",
            "Dead letters can't be put away",
            "nothing is acknowledged until they can; the worker says so",
        ),
        Fault("kafka-replay", "A topic is replayed beside live traffic", "the workers keep their places"),
    ),
    "SQS": (
        Fault("sqs-partial", "A batch is taken in part", "only what failed is sent again"),
        Fault(
            "sqs-refuses",
            "SQS throttles, fails or refuses the credentials",
            "growing pauses, then `queue_full`; one line when it begins and one when it ends",
        ),
        Fault(
            "sqs-late",
            "Work takes longer than a message stays invisible",
            "it is kept by a heartbeat; a message that is another's by then is neither recorded nor booked",
        ),
        Fault("sqs-third", "A message comes for the third time", "it goes to the dead letters"),
        Fault("sqs-bytes", "A body is not text", "it arrives byte for byte"),
        Fault(
            "sqs-claim",
            "A value in the bucket is missing or is not what was put there",
            "a dead letter with the reason",
        ),
    ),
    "Any broker": (
        Fault(
            "poison",
            "A message is none of ours, cut short, or of another version",
            "a dead letter with the reason; the next one goes on",
        ),
        Fault("repeats", "A message is delivered twice", "one record"),
        Fault(
            "stale",
            "Workers are so far behind that what comes is too old to matter",
            "with `SHADOW_MAX_AGE_SECONDS` it is `queue_full`, and one line in the log; its shadow is not asked, and "
            "the workers catch up",
        ),
    ),
    "Strangers": (
        Fault(
            "chain",
            "A mirrored request comes to an app that mirrors too",
            "it is answered and not mirrored again: `loop`",
        ),
        Fault(
            "forged-mark",
            "A caller marks its request as a shadow's",
            "it is answered as any other and left out of mirroring: `loop`",
        ),
    ),
}

#: Rows that no test proves yet, and why.
NOT_TESTED: dict[str, str] = {}
