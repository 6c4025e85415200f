"""SMAC3 and Hyperopt. It runs alone, in an environment that has them, and knows nothing of knowhy.

Lines of JSON: the first one read describes the space; then each point written is answered by its cost, null where the
trial failed. Every problem is minimised here. The first point is the default configuration.
"""

import json
import sys


def ask(point):
    """The cost of ``point``, None where it failed."""
    print(json.dumps(point), file=sys.__stdout__, flush=True)
    return json.loads(sys.stdin.readline())["cost"]


def run_smac(task):
    """SMAC3's facade for hyperparameters: random forest, its own initial design after the default."""
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, InCondition, Integer
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory import StatusType, TrialInfo, TrialValue

    space, made = ConfigurationSpace(seed=task["seed"]), {}
    for p in task["space"]:
        if "values" in p:
            made[p["name"]] = Categorical(p["name"], list(range(len(p["values"]))), default=p["default"])
        else:
            kind = Integer if p["integer"] else Float
            made[p["name"]] = kind(p["name"], (p["low"], p["high"]), default=p["default"], log=p["log"])
    space.add(*made.values())
    for p in task["space"]:
        if p["condition"]:
            parent, values = p["condition"]
            condition = (
                EqualsCondition(made[p["name"]], made[parent], values[0])
                if len(values) == 1
                else InCondition(made[p["name"]], made[parent], values)
            )
            space.add(condition)
    scenario = Scenario(
        space, deterministic=True, n_trials=task["trials"], seed=task["seed"], output_directory=task["folder"]
    )
    default = space.get_default_configuration()
    smac = HyperparameterOptimizationFacade(scenario, lambda config, seed: 0.0, overwrite=True)
    worst = 0.0
    for number in range(task["trials"]):
        # A trial told before the first question is how SMAC3 is started from what is known (seed 0: deterministic).
        info = smac.ask() if number else TrialInfo(default, seed=0)
        cost = ask({k: _plain(v) for k, v in dict(info.config).items()})
        if cost is None:  # an infinite cost breaks its logarithms
            smac.tell(info, TrialValue(cost=worst, status=StatusType.CRASHED))
        else:
            worst = cost if number == 0 else max(worst, cost)
            smac.tell(info, TrialValue(cost=cost))


def run_hyperopt(task):
    """Hyperopt's TPE; parameters that a condition rules out are drawn and ignored."""
    import numpy as np
    from hyperopt import STATUS_FAIL, STATUS_OK, fmin, hp, tpe

    space = {}
    for p in task["space"]:
        name = p["name"]
        if "values" in p:
            space[name] = hp.choice(name, list(range(len(p["values"]))))
        elif p["log"]:
            low, high = np.log(p["low"]), np.log(p["high"])
            space[name] = hp.qloguniform(name, low, high, 1) if p["integer"] else hp.loguniform(name, low, high)
        else:
            make = hp.uniformint if p["integer"] else hp.uniform
            space[name] = make(name, p["low"], p["high"])
    whole = {p["name"] for p in task["space"] if p.get("integer")}

    def cost(point):
        found = ask(
            {k: int(v) if k in whole or isinstance(v, (int, np.integer)) else float(v) for k, v in point.items()}
        )
        return {"status": STATUS_FAIL} if found is None else {"status": STATUS_OK, "loss": found}

    fmin(
        cost,
        space,
        algo=tpe.suggest,
        max_evals=task["trials"],
        points_to_evaluate=[{p["name"]: p["default"] for p in task["space"]}],
        rstate=np.random.default_rng(task["seed"]),
        show_progressbar=False,
        verbose=False,
    )


def _plain(value):
    return value.item() if hasattr(value, "item") else value


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    sys.stdout = sys.stderr  # libraries may print; answers go to the real one
    {"smac": run_smac, "hyperopt": run_hyperopt}[sys.argv[1]](told)
