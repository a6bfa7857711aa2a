from ingest.source.steps import Steps


def test_each_step_and_all_of_them_are_told_with_the_work_of_this_process() -> None:
    times, worked = iter((10.0, 10.25, 11.0)), iter((3.0, 3.5))
    steps = Steps(clock=lambda: next(times), cpu=lambda: next(worked))
    steps.done("transactions")
    steps.done("hub")
    assert str(steps) == "1.00 s, 0.50 s of them at work (transactions 0.25, hub 0.75)"
