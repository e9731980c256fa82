"""Scripts import here what AWS's framework images have beside their frameworks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opt_ml_tree import finish
from script_instance import Instance

ROWS = "1 0:1 1:2\n0 0:2 1:1\n1 0:1 1:3\n0 0:3 1:1\n"
DISTRIBUTED = """
import json, os, sys
from sagemaker_containers import entry_point
from sagemaker_xgboost_container import distributed
from sagemaker_xgboost_container.data_utils import get_dmatrix
import xgboost

def train(dtrain, is_master):
    booster = xgboost.train({"max_depth": 2, "min_child_weight": 0}, dtrain, 2)
    print("rows", dtrain.num_row())
    if is_master:
        booster.save_model(sys.argv[2])

entry_point._wait_hostname_resolution()
dtrain = get_dmatrix(sys.argv[1], "libsvm")
distributed.rabit_run(
    exec_fun=train, args={"dtrain": dtrain}, include_in_training=dtrain is not None,
    hosts=json.loads(os.environ["SM_HOSTS"]), current_host=os.environ["SM_CURRENT_HOST"],
    update_rabit_args=True,
)
print("came back")
"""


@pytest.mark.parametrize(
    ("name", "text", "content_type"),
    [
        ("rows.libsvm", ROWS, "libsvm"),
        ("rows.csv", "1,1,2\n0,2,1\n1,1,3\n0,3,1\n", "text/csv; label_size=1"),
    ],
)
def test_xgboost_data_are_read_as_aws_s_image_does(
    tmp_path: Path, name: str, text: str, content_type: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_text(text)
    script = f"""
from sagemaker_xgboost_container.data_utils import get_dmatrix
for place in ({str(data)!r}, {str(data / name)!r}):
    matrix = get_dmatrix(place, {content_type!r})
    print(matrix.num_row(), matrix.num_col(), matrix.get_label().tolist())
print(get_dmatrix({str(tmp_path / "nothing")!r}, {content_type!r}))
"""
    outcome = Instance(tmp_path / "job").run({"train.py": script})
    assert outcome.code == 0, outcome.output
    shown = [line for line in outcome.lines if not line.startswith("[")]
    assert shown[-3:] == [*["4 2 [1.0, 0.0, 1.0, 0.0]"] * 2, "None"]


def test_hosts_with_data_train_as_one_and_the_others_leave(tmp_path: Path) -> None:
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]  # names that resolve everywhere
    started = []
    for index, host in enumerate(hosts):
        place = tmp_path / host
        (place / "data").mkdir(parents=True)
        if index < 2:
            (place / "data" / "rows").write_text(ROWS)
        instance = Instance(place)
        process = instance.start(
            {"train.py": DISTRIBUTED},
            arguments=[str(place / "data"), str(place / "model.json")],
            TRAINING_JOB_ARN=str(tmp_path),
            SM_HOSTS=json.dumps(hosts),
            SM_CURRENT_HOST=host,
        )
        started.append((process, instance.root))
    first, second, third = (finish(process, root) for process, root in started)
    for outcome in (first, second):
        assert outcome.code == 0, outcome.output
        assert outcome.lines[-2:] == ["rows 4", "came back"]
    assert third.code == 0, third.output
    assert "127.0.0.3 not being used for distributed training" in third.lines[-1]
    saved = [host for host in hosts if (tmp_path / host / "model.json").exists()]
    assert saved == [hosts[0]]


def test_the_training_environment_is_an_object(tmp_path: Path) -> None:
    script = """
import sagemaker_containers
from sagemaker_training import environment
found = environment.Environment()
print(found.hyperparameters["epochs"], sagemaker_containers.training_env().model_dir)
found.moon
"""
    told = json.dumps({"hyperparameters": {"epochs": 3}, "model_dir": "/opt/ml/model"})
    outcome = Instance(tmp_path).run({"train.py": script}, SM_TRAINING_ENV=told)
    assert "\n3 /opt/ml/model\n" in outcome.output
    assert "has no moon here. It has: hyperparameters, model_dir." in outcome.failure


def test_what_the_training_environment_lacks_is_in_variables(tmp_path: Path) -> None:
    script = """
from sagemaker_training import environment
found = environment.Environment()
print(found.is_hetero, found.current_instance_group, found.instance_groups_dict["5"]["hosts"])
"""
    groups = {"5": {"instance_group_name": "5", "hosts": ["algo-1"]}}
    outcome = Instance(tmp_path).run(
        {"train.py": script},
        SM_TRAINING_ENV="{}",
        SM_IS_HETERO="true",
        SM_CURRENT_INSTANCE_GROUP="5",
        SM_INSTANCE_GROUPS_DICT=json.dumps(groups),
    )
    assert outcome.lines[-1] == "True 5 ['algo-1']", outcome.output


def test_imports_for_serving_do_not_keep_a_script_from_training(tmp_path: Path) -> None:
    script = """
from sagemaker_containers.beta.framework import content_types, encoders, worker
print("trains")
worker.Response
"""
    outcome = Instance(tmp_path).run({"train.py": script})
    assert "\ntrains\n" in outcome.output
    assert "worker.Response belongs to serving" in outcome.failure


def test_the_user_s_own_modules_go_first(tmp_path: Path) -> None:
    script = """
import algorithm, sagemaker_training
from sagemaker_xgboost_container.data_utils import get_dmatrix
print(algorithm.MINE, sagemaker_training.MINE)
"""
    files = {"train.py": script, "algorithm.py": "MINE = 1"}
    files["sagemaker_training/__init__.py"] = "MINE = 2"
    outcome = Instance(tmp_path).run(files)
    assert outcome.lines[-1] == "1 2", outcome.output
