"""Production: MLflow's own scoring server for a saved model. One line mirrors what it does."""

import mlflow.pyfunc
from mlflow.pyfunc import scoring_server

from shadow_mw import ShadowMiddleware

app = scoring_server.init(mlflow.pyfunc.load_model("production"))
app.add_middleware(ShadowMiddleware)  # the one line
