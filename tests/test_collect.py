from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.execution.collect import CURVE_POINTS, collect, metrics_in, read_lines
from knowhy.execution.text import clean, read_bounded, redact, tail
from knowhy.model.job import Job
from knowhy.model.observation import Curve, Failure, Observation, Outcome


def outcome_of(
    log: str = "",
    *,
    required: tuple[str, ...] = ("loss",),
    exit_code: int | None = 0,
    folder: Path | None = None,
    lines: str | None = None,
    timed_out: bool = False,
    out_of_memory: bool = False,
    memory: int | None = None,
) -> Outcome:
    result = folder / "result.jsonl" if folder else Path("/no/such/result")
    if lines is not None:
        result.write_text(lines)
    job = Job(1, (), "", str(result), "", required, timeout=2.5, memory=memory)
    return collect(job, exit_code, 1.5, timed_out=timed_out, out_of_memory=out_of_memory, log=log)


def last_values(log: str) -> dict[str, float]:
    return {found.name: found.last for found in metrics_in(log)}


KARPATHY = (
    "step 00000 (0.0%) | loss: 9.0 | lrm: 1.00 | dt: 900ms | tok/sec: 1,234 | mfu: 1.5% | epoch: 1 | remaining: 3s  "
    "\rstep 00001 (0.5%) | loss: 5.5 | lrm: 1.00 | dt: 325ms | tok/sec: 1,234,567 | mfu: 39.8% | epoch: 1"
    "\rstep 00002 (1.0%) | loss: 3.0 | lrm: 0.50 | dt: 1.2s | tok/sec: 999 | mfu: 40.0% | epoch: 1 | remaining: 0s\n"
    "---\nval_bpb:          0.997900\ntraining_seconds: 300.1\npeak_vram_mb:     45060.2\nnum_steps:        953\n"
)


class TestPrinted:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("loss: 0.5", {"loss": 0.5}),
            ("loss=0.5", {"loss": 0.5}),
            ("loss = 0.5", {"loss": 0.5}),
            ("loss : -1.5e-03,", {"loss": -0.0015}),
            ("val_loss: .5 val_acc: 1.", {"val_loss": 0.5, "val_acc": 1.0}),
            ("loss: 0.5.", {"loss": 0.5}),
            ("loss=0.5,acc=0.9", {"loss": 0.5, "acc": 0.9}),
            ("Accuracy: 93.5%", {"Accuracy": 93.5}),
            ("accuracy: 93.5 %", {"accuracy": 93.5}),
            ("loss: 1,234.5", {"loss": 1234.5}),
            ("loss: 0.5±0.1", {"loss": 0.5}),
            ("loss: 0.5 +/- 0.1", {"loss": 0.5}),
            ("time: 325ms, total: 1.5 min", {"time": 0.325, "total": 90.0}),
            ("memory: 2GiB", {"memory": 2.0**31}),
            (
                "{'loss': 0.5, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 0.1}",
                {"loss": 0.5, "grad_norm": 1.25, "learning_rate": 5e-05},
            ),
            ('{"val_loss": 0.5, "name": "x"}', {"val_loss": 0.5}),
            ("{'loss': np.float64(0.5), 'acc': tensor(0.25, device='cuda:0')}", {"loss": 0.5, "acc": 0.25}),
            ("Test Accuracy: 0.93", {"test_accuracy": 0.93}),
            ("Final val_loss: 0.3", {"final_val_loss": 0.3}),
            ("Saved the model with val_loss: 0.3", {"val_loss": 0.3}),
            ("2026-11-23 10:00:00,123 - root - INFO - val_loss: 0.3", {"val_loss": 0.3}),
            ("INFO:root:val_loss: 0.3", {"val_loss": 0.3}),
            ("[INFO] val/loss: 0.3", {"val/loss": 0.3}),
            ("Validation Accuracy (top-1): 93.1%", {"validation_accuracy": 93.1}),
            ("Mean Squared Error: 3.25", {"mean_squared_error": 3.25}),
            ("step 250: train loss 2.5, val loss 2.75", {"train_loss": 2.5, "val_loss": 2.75}),
            ("iter 10: loss 2.3456, time 12.5ms, mfu 3.00%", {"loss": 2.3456}),
            ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.300039", {"Loss": 2.300039}),
            (
                "Test set: Average loss: 0.0265, Accuracy: 9902/10000 (99%)",
                {"average_loss": 0.0265, "Accuracy": 0.9902},
            ),
            ("[10]\ttrain-rmse:0.5\tvalidation_0-logloss:0.68", {"train-rmse": 0.5, "validation_0-logloss": 0.68}),
            ("[10]\ttraining's l2: 0.25\tvalid_0's l2: 0.5", {"training_l2": 0.25, "valid_0_l2": 0.5}),
            (
                "0:\tlearn: 0.68\ttest: 0.67\tbest: 0.67 (0)\ttotal: 50ms\tremaining: 49.9s",
                {"learn": 0.68, "test": 0.67, "best": 0.67, "total": 0.05, "remaining": 49.9},
            ),
            (
                "32/32 ━━━━ 0s 2ms/step - accuracy: 0.5 - loss: 1.25 - val_loss: 1.5",
                {"accuracy": 0.5, "loss": 1.25, "val_loss": 1.5},
            ),
            ("Epoch 3: 100%|████| 100/100 [00:10<00:00, 9.9it/s, loss=0.125, v_num=0]", {"loss": 0.125, "v_num": 0.0}),
            ("│        test_acc         │    0.9375123500823975     │", {"test_acc": 0.9375123500823975}),
            ("\x1b[1mloss\x1b[0m: \x1b[32m0.5\x1b[0m", {"loss": 0.5}),
            ("Epoch: [2][100/5005] Time 0.25 (0.3) Loss 2.5 (2.75) Acc@1 50.0 (51.0)", {"Loss": 2.5}),
        ],
    )
    def test_spellings_in_the_wild(self, line: str, expected: dict[str, float]) -> None:
        assert last_values(line) == pytest.approx(expected)

    @pytest.mark.parametrize(
        "line",
        [
            "9902/10000",
            "Epoch 3/10",
            "Epoch: 3/10",
            "Loading: 5/10",
            "progress: 9902/10000",
            "started: 12:30:01",
            "date: 2026-11-23",
            "time: 2026-11-23T12:30:01",
            "ETA: 0:00:05",
            "version: 1.2.3",
            "torch: 2.2.0+cu121",
            "device: cuda:0",
            "see http://localhost:8080/x?loss=1",
            "loss <= 0.5",
            "x == 3",
            "/tmp/train.py:12: UserWarning",
            "run --lr=0.1 now",
            "betas=0.9,0.999",
            "hash: 0x1f",
            "id: 3rd",
            "loss: none",
            "info: information",
            "speed: 12.5it/s",
            "the loss 3 times",
        ],
    )
    def test_what_is_not_a_metric(self, line: str) -> None:
        assert last_values(line) == {}

    def test_code_in_a_traceback_is_not_a_metric(self) -> None:
        log = (
            'loss: 0.5\nTraceback (most recent call last):\n  File "a.py", line 3\n    lr = 0.1\nValueError: lr: 0.1\n'
        )
        assert last_values(log) == {"loss": 0.5}

    def test_an_overwritten_line_counts_as_it_ended_and_passing_text_gives_the_curve(self) -> None:
        values = last_values(KARPATHY)
        assert values["val_bpb"] == 0.9979
        assert values["loss"] == 3.0
        assert values["dt"] == 1.2
        assert values["tok/sec"] == 999
        outcome = outcome_of(KARPATHY, required=("val_bpb",))
        assert isinstance(outcome, Observation)
        assert outcome.curves["loss"] == Curve((0.0, 1.0, 2.0), (9.0, 5.5, 3.0))
        assert outcome.curves["tok/sec"].values == (1234.0, 1234567.0, 999.0)

    def test_lines_that_stay_make_the_curve_where_bars_pass_between_them(self) -> None:
        log = "".join(
            f"Epoch {e}/3\n 1/9 [>...] - loss: 99.0\r 5/9 [==>.] - loss: 50.0\r 9/9 [====] - loss: {e}.5\n"
            for e in (1, 2, 3)
        )
        outcome = outcome_of(log)
        assert isinstance(outcome, Observation)
        assert outcome.curves == {"loss": Curve((1.0, 2.0, 3.0), (1.5, 2.5, 3.5))}

    @pytest.mark.parametrize(
        ("lines", "steps"),
        [
            (["epoch 10 loss: 3", "epoch 20 loss: 2"], (10, 20)),
            (["Epoch 1 step 5: loss: 3", "Epoch 1 step 10: loss: 2"], (5, 10)),
            (["Epoch 1 step 5: loss: 3", "Epoch 2 step 5: loss: 2"], (1, 2)),
            (["Epoch 1 step 5: loss: 3", "Epoch 1 step 5: loss: 2"], (1, 2)),
            (["loss: 3", "loss: 2"], (1, 2)),
            (["[0]\tloss:3", "[50]\tloss:2"], (0, 50)),
        ],
    )
    def test_curves_stand_against_the_finest_counter_that_grows(self, lines: list[str], steps: tuple[int, ...]) -> None:
        outcome = outcome_of("\n".join(lines))
        assert isinstance(outcome, Observation)
        assert outcome.curves["loss"] == Curve(tuple(map(float, steps)), (3.0, 2.0))

    def test_a_summary_without_a_counter_is_no_point_of_the_curve(self) -> None:
        outcome = outcome_of("epoch 1 loss: 3\nepoch 2 loss: 2\nepoch 3 loss: 1.5\nloss: 1.75\n")
        assert isinstance(outcome, Observation)
        assert outcome.metrics["loss"] == 1.75
        assert outcome.curves["loss"] == Curve((1.0, 2.0, 3.0), (3.0, 2.0, 1.5))

    def test_the_list_for_a_person_counts_and_shows_an_example(self) -> None:
        log = "epoch 1 val_loss: 0.5\nepoch 2 val_loss: 0.25 key sk-abcdefghijklmnopqrstuvwx\nseed = 3\n"
        first, second = metrics_in(log)
        assert (first.name, first.count, first.last) == ("val_loss", 2, 0.25)
        assert first.example == "epoch 2 val_loss: 0.25 key [redacted]"
        assert (second.name, second.count) == ("seed", 1)

    @given(st.text(st.characters(), max_size=300))
    def test_any_text_is_survived(self, log: str) -> None:
        outcome = outcome_of(log, exit_code=1)
        assert isinstance(outcome, Failure)
        assert all(math.isfinite(value) for value in outcome.metrics.values())

    @given(
        st.from_regex(r"[a-z]{3,8}_(loss|acc)", fullmatch=True),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["{}: {!r}", "{}={!r}", "{} = {!r}", "epoch 3 | {}: {!r} | done", "{{'{}': {!r}}}"]),
    )
    def test_any_number_reads_back_as_it_was_printed(self, name: str, value: float, form: str) -> None:
        assert last_values(form.format(name, value)) == {name: value}

    @pytest.mark.parametrize(
        "unit", ["a", "a ", "a: ", "1", "1,111", "x=1 ", "loss ", "step[ ", "http://", "\r", "\x1b[", "é", "("]
    )
    def test_no_text_makes_it_slow(self, unit: str) -> None:
        started = time.process_time()
        outcome_of(unit * (300_000 // len(unit)) + "\n" + unit * 1000)
        assert time.process_time() - started < 2.0


class TestJsonLines:
    def test_they_win_over_print_and_keep_steps(self, tmp_path: Path) -> None:
        lines = '{"step": 10, "loss": 3}\n{"step": 20, "loss": 2, "acc": 0.5}\n{"loss": 1.5}\n'
        outcome = outcome_of("loss: 9\nloss: 8\nother: 4", folder=tmp_path, lines=lines)
        assert isinstance(outcome, Observation)
        assert outcome.metrics == {"loss": 1.5, "acc": 0.5, "other": 4.0}
        assert outcome.curves == {"loss": Curve((10.0, 20.0), (3.0, 2.0))}

    def test_bad_lines_are_skipped_and_counted(self, tmp_path: Path) -> None:
        bad = ["not json", "[1, 2]", "3", '{"a": "text"}', '{"loss": ', "[" * 5000, "9" * 6000, '{"step": 3}', "\x00"]
        path = tmp_path / "result.jsonl"
        path.write_text("\n".join([*bad, '{"loss": 0.5, "flag": true, "nested": {"x": 1}, "text": "y"}', "", ""]))
        report = read_lines(str(path))
        assert report.metrics == {"loss": 0.5}
        assert report.bad_lines == len(bad)
        outcome = outcome_of(required=("accuracy",), folder=tmp_path)
        assert isinstance(outcome, Failure)
        assert f"{len(bad)} lines of the result file" in outcome.message

    def test_repeated_and_unordered_steps_make_an_ordered_curve(self, tmp_path: Path) -> None:
        lines = "".join(json.dumps({"step": s, "loss": v}) + "\n" for s, v in [(2, 5), (1, 4), (2, 3), (3, math.nan)])
        outcome = outcome_of(folder=tmp_path, lines=lines + '{"loss": 1}\n')
        assert outcome.curves["loss"] == Curve((1.0, 2.0), (4.0, 3.0))

    def test_huge_numbers_count_as_infinite(self, tmp_path: Path) -> None:
        outcome = outcome_of(folder=tmp_path, lines='{"loss": 1' + "0" * 400 + "}\n")
        assert isinstance(outcome, Failure)
        assert outcome.kind == "inf"

    def test_long_curves_are_thinned_with_their_ends_kept(self, tmp_path: Path) -> None:
        lines = "".join(f'{{"step": {i}, "loss": {i}}}\n' for i in range(5000))
        curve = outcome_of(folder=tmp_path, lines=lines).curves["loss"]
        assert len(curve.steps) == CURVE_POINTS
        assert (curve.steps[0], curve.steps[-1]) == (0.0, 4999.0)
        assert curve.steps == curve.values
        assert list(curve.steps) == sorted(set(curve.steps))

    @pytest.mark.parametrize("kind", ["fifo", "link", "folder", "device"])
    def test_what_is_no_file_is_not_read(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "result.jsonl"
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            (tmp_path / "secret").write_text('{"loss": 1}')
            path.symlink_to(tmp_path / "secret" if kind == "link" else "/dev/zero")
        assert read_lines(str(path)).metrics == {}

    def test_a_big_file_is_read_at_both_ends_only(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"".join(b"%05d\n" % i for i in range(10_000)))
        assert read_bounded(str(path), 20, 20) == b"00000\n00001\n00002\n09997\n09998\n09999\n"
        assert len(read_bounded(str(path), 30_000, 30_000)) == 60_000

    @given(st.lists(st.dictionaries(st.text(max_size=5), st.one_of(st.floats(), st.integers(), st.text(max_size=3)))))
    @settings(max_examples=50)
    def test_an_observation_never_holds_a_number_that_is_not_finite(
        self, tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, float | str]]
    ) -> None:
        folder = tmp_path_factory.mktemp("lines")
        lines = "\n".join(json.dumps(o) for o in objects)
        outcome = outcome_of(required=(), folder=folder, lines=lines)
        assert isinstance(outcome, Observation)
        numbers = [*outcome.metrics.values(), *(v for c in outcome.curves.values() for v in (*c.steps, *c.values))]
        assert all(math.isfinite(number) for number in numbers)


class TestKinds:
    @pytest.mark.parametrize(("value", "kind"), [("nan", "nan"), ("inf", "inf"), ("-inf", "inf"), ("NaN", "nan")])
    def test_a_required_metric_must_be_finite(self, value: str, kind: str) -> None:
        outcome = outcome_of(f"step 1 loss: 0.5\nstep 2 loss: 0.25\nstep 3 loss: {value}\nacc: 0.5")
        assert isinstance(outcome, Failure)
        assert outcome.kind == kind
        assert outcome.message.startswith("loss is ")
        assert "last finite: 0.25 at step 2" in outcome.message
        assert outcome.metrics == {"acc": 0.5}

    def test_another_metric_may_be_nan_and_is_left_out(self) -> None:
        outcome = outcome_of("loss: 0.5\nother: nan")
        assert isinstance(outcome, Observation)
        assert outcome.metrics == {"loss": 0.5}

    def test_an_absent_metric_names_what_was_found(self) -> None:
        outcome = outcome_of("val_loss: 0.5", required=("accuracy", "f1"))
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.message) == ("no_metric", "no number for accuracy, f1; found: val_loss")
        assert outcome.metrics == {"val_loss": 0.5}

    def test_required_names_match_other_spellings(self) -> None:
        outcome = outcome_of("Val Loss: 0.5\nACC: 0.9\n", required=("val_loss", "acc"))
        assert outcome.metrics == {"val_loss": 0.5, "acc": 0.9}

    def test_duration_needs_no_report(self) -> None:
        assert isinstance(outcome_of("", required=("duration",)), Observation)

    @pytest.mark.parametrize(
        ("log", "exit_code", "kind", "message"),
        [
            (
                "Traceback (most recent call last):\n  File x\n    y\nValueError: bad shape\n",
                1,
                "exit",
                "ValueError: bad shape",
            ),
            (
                "Traceback (most recent call last):\n  a\nKeyError: 1\n\nDuring handling of the above exception, "
                "another exception occurred:\n\nTraceback (most recent call last):\n  b\npkg.err.Bad: two\n",
                1,
                "exit",
                "pkg.err.Bad: two",
            ),
            (
                "usage: x\ntrain.py: error: unrecognized arguments: --foo\n",
                2,
                "exit",
                "exit code 2: train.py: error: unrecognized arguments: --foo",
            ),
            ("", 3, "exit", "exit code 3"),
            ("", -11, "exit", "killed by SIGSEGV"),
            ("", 139, "exit", "killed by SIGSEGV"),
            ("", -9, "exit", "killed by SIGKILL"),
            ("", None, "exit", "ended in an unknown way"),
            ("Traceback (most recent call last):\n  a\nMemoryError\n", 1, "out_of_memory", "MemoryError"),
            (
                "Traceback (most recent call last):\n  a\nnumpy._core._ArrayMemoryError: no 9 TiB\n",
                1,
                "out_of_memory",
                "numpy._core._ArrayMemoryError: no 9 TiB",
            ),
            (
                "Traceback (most recent call last):\n  a\ntorch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB\n",
                1,
                "out_of_memory",
                "torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB",
            ),
            (
                "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
                -6,
                "out_of_memory",
                "what():  std::bad_alloc",
            ),
            (
                "slurmstepd: Out Of Memory\nKilled\n",
                137,
                "out_of_memory",
                "killed by SIGKILL; the log says: Out Of Memory",
            ),
            ("loss: nan\nFAIL: the loss exploded\n", 1, "nan", "loss is nan"),
            ("loss: nan\nTraceback (most recent call last):\n  a\nKeyError: 'x'\n", 1, "exit", "KeyError: 'x'"),
        ],
    )
    def test_crashes_say_why(self, log: str, exit_code: int | None, kind: str, message: str) -> None:
        outcome = outcome_of(log, exit_code=exit_code)
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.message, outcome.exit_code) == (kind, message, exit_code)

    def test_a_time_out_keeps_partial_numbers(self) -> None:
        outcome = outcome_of("step 1 loss: 3\nstep 2 loss: 2\n", exit_code=-15, timed_out=True)
        assert isinstance(outcome, Failure)
        assert outcome.kind == "timeout"
        assert "2.5 s" in outcome.message
        assert outcome.metrics == {"loss": 2.0}
        assert outcome.curves["loss"].values == (3.0, 2.0)
        assert outcome.duration == 1.5

    def test_our_memory_limit_is_named(self) -> None:
        outcome = outcome_of(exit_code=-9, out_of_memory=True, memory=3 << 30)
        assert isinstance(outcome, Failure)
        assert outcome.kind == "out_of_memory"
        assert "3 GiB" in outcome.message


class TestTail:
    def test_it_is_short_clean_and_shows_the_end(self) -> None:
        log = "first\n" + "x" * 10_000 + "\nbar 10%\rbar 100%\n\x1b[31mlast\x1b[0m \x00\x07\u202eline\n"
        text = tail(log)
        assert len(text) <= 2000
        assert text.endswith("bar 100%\nlast line")
        assert "first" not in tail("first\n" + "y\n" * 50_000)

    @pytest.mark.parametrize(
        ("text", "secret"),
        [
            ("key sk-proj-abcdefghijklmnop1234 used", "abcdefgh"),
            ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefgh"),
            ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN"),
            ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalr"),
            ("https://user:hunter22@host/x", "hunter22"),
            ("https://ghtoken1234@github.com/x", "ghtoken1234"),
            ("https://host/x?a=1&access_token=abcd1234&b=2", "abcd1234"),
            ("Authorization: Bearer abcdefghijkl0123456789", "abcdefghijkl"),
            ("password: 'correcthorse'", "correcthorse"),
            ('{"api_key": "0123456789abcdef"}', "0123456789abcdef"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh", "eyJzdWIi"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----", "MIIEow"),
            ("hf_abcdefghijklmnopqrstuvwxyz", "abcdefgh"),
        ],
    )
    def test_secrets_are_blacked_out(self, text: str, secret: str) -> None:
        assert secret not in redact(text)
        assert "[redacted]" in redact(text)
        failure = outcome_of(text, exit_code=1)
        assert isinstance(failure, Failure)
        assert secret not in failure.log_tail
        assert secret not in failure.message

    @pytest.mark.parametrize(
        "text",
        ["tokens: 123456", "tok/sec: 1,234,567", "key: value", "https://host:8080/path", "task-specific-learning-rate"],
    )
    def test_plain_text_stays(self, text: str) -> None:
        assert redact(text) == text

    def test_a_secret_at_the_cut_does_not_leak_its_end(self) -> None:
        secret = "sk-" + "A1b2" * 20
        text = tail(secret + "\n" + "\n".join(["z" * 49] * 39))
        assert "A1b2" not in text

    @given(st.text(st.characters(), max_size=500))
    def test_no_control_characters_remain(self, text: str) -> None:
        cleaned = clean(text)
        assert all(c in "\n\t" or c.isprintable() or c.isspace() for c in cleaned)
        assert len(tail(text)) <= 2000
