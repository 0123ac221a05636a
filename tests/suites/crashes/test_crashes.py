"""Kills a process at every moment: the next one finishes, and nothing is bought twice.

No file is left behind, and a person is told of each request with an unknown outcome. `kill -9`
strikes at every point between two outside effects of a pass, which thread, tick and worker all
make.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.gateways import answering, picture

from wagtail_smart_resize.sandbox.responses import Reply

from .harness import CrashWorker

pytestmark = pytest.mark.crashes

WORKERS = 2


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Provide fork servers, each with a filled site and one whose file was replaced."""
    source = Reply(200, picture(), "image/png")
    with answering(source) as far_end:
        made = [
            CrashWorker(tmp_path_factory.mktemp("worker"), far_end.origin) for _ in range(WORKERS)
        ]
        try:
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(_fill, made))
            yield made
        finally:
            for worker in made:
                worker.close()


def _fill(worker):
    worker.fork_server.do("fill")
    worker.fork_server.keep("filled")
    worker.fork_server.do("recompose")
    worker.fork_server.do("replace")
    worker.fork_server.keep("replaced")
    worker.fork_server.points()


def kill_everywhere(workers, start, what):
    """Return the outcome of a kill at each point of a command."""
    fork_server = workers[0].fork_server
    fork_server.restore(start)
    fork_server.do(what)
    points = fork_server.points()

    def walk(number):
        numbers = range(number + 1, len(points) + 1, len(workers))
        return [workers[number].kill(start, what, at) for at in numbers]

    with ThreadPoolExecutor(len(workers)) as pool:
        found = [each for walked in pool.map(walk, range(len(workers))) for each in walked]
    killed = sorted(found, key=lambda each: each.at)
    assert [each.point for each in killed] == points
    return killed


@pytest.fixture(scope="module")
def recomposed(workers):
    return kill_everywhere(workers, "filled", "recompose")


@pytest.fixture(scope="module")
def forgotten(workers):
    return kill_everywhere(workers, "replaced", "forget")


def wrong(killed, is_right):
    return [str(each) for each in killed if not is_right(each)]


def unknown_ones(killed):
    """Return the kills from right before the POST to right before its answer is recorded."""
    points = [each.point for each in killed]
    first = points.index("POST request")
    last = points.index("UPDATE gatewayrequest", first)
    return killed[first : last + 1]


def certain_ones(killed):
    unknown = unknown_ones(killed)
    return [each for each in killed if each not in unknown]


def test_every_kind_of_effect_was_tried(recomposed, forgotten):
    kinds = {each.point for each in [*recomposed, *forgotten]}
    assert kinds >= {
        "COMMIT",
        "INSERT recomposition",
        "INSERT gatewayrequest",
        "UPDATE budgetperiod",
        "HEAD source",
        "POST request",
        "answer to POST request",
        "GET status",
        "answer to GET status",
        "GET result",
        "answer to GET result",
        "INSERT candidate",
        "save candidate",
        "second half of candidate",
        "INSERT rendition",
        "save rendition",
        "second half of rendition",
        "UPDATE publicationcounter",
        "UPDATE imageversion",
        "purge",
        "DELETE rendition",
        "delete rendition",
        "DELETE candidate",
        "delete candidate",
    }
    print(f"\n{len(recomposed)} + {len(forgotten)} points")
    assert len(recomposed) > 100
    assert len(forgotten) > 20


def test_pages_show_whole_pictures_right_after_the_kill(recomposed, forgotten):
    """The child that finishes opens each picture of the page before it does anything else."""
    shown = [*recomposed, *forgotten]
    assert not wrong(shown, lambda each: set(each.at_once.values()) <= {"crop", "recomposed"})
    assert {value for each in shown for value in each.at_once.values()} == {"crop", "recomposed"}


def test_everything_is_finished_after_the_restart(recomposed, forgotten):
    def finished(each):
        return (
            set(each.pictures.values()) == {"recomposed"}
            and {row["purchase"] for row in each.rows} == {"idle"}
            and {row["status"] for row in each.requests} == {"done"}
            and {row["charged"] for row in each.requests} == {"yes"}
            and {row["lease"] for row in each.requests} == {""}
        )

    assert not wrong([*certain_ones(recomposed), *forgotten], finished)


def test_no_post_is_repeated(recomposed, forgotten):
    """One request holds both shapes; two hold one each, where the restart came after one was due.

    A process killed between two rows leaves the second for the repair, and on a busy machine the
    first may be bought before that.
    """

    def each_shape_once(each):
        asked = sum(request["outputs_asked"] for request in each.requests)
        return each.posts == len(each.requests) and asked == len(each.rows) == 2

    assert not wrong(certain_ones(recomposed), each_shape_once)
    assert not wrong(unknown_ones(recomposed), lambda each: each.posts <= len(each.requests) == 1)
    assert not wrong(forgotten, lambda each: each.posts == 0)


def test_what_was_killed_between_the_post_and_its_answer_waits_for_a_person(recomposed):
    def waits(each):
        return (
            set(each.pictures.values()) == {"crop"}
            and {row["purchase"] for row in each.rows} == {"failed"}
            and {row["failure_code"] for row in each.rows} == {"unknown"}
            and [row["status"] for row in each.requests] == ["unknown"]
            and [row["charged"] for row in each.requests] == ["unknown"]
        )

    unknown = unknown_ones(recomposed)
    assert {each.posts for each in unknown} == {0, 1}
    assert not wrong(unknown, waits)
    assert not wrong(recomposed, lambda each: (each.left == ["sending"]) == (each in unknown))


def test_no_file_is_left_that_no_row_names(recomposed, forgotten):
    shown = [*recomposed, *forgotten]
    assert not [f"{each}: {each.unreferenced}" for each in shown if each.unreferenced]


def test_no_row_names_a_file_that_is_not_there(recomposed, forgotten):
    shown = [*recomposed, *forgotten]
    assert not [f"{each}: {each.missing}" for each in shown if each.missing]


def test_the_budget_holds_what_was_bought_or_may_have_been(recomposed, forgotten):
    def right(each):
        asked = sum(row["outputs_asked"] for row in each.requests)
        days = sum(outputs for period, outputs in each.spent.items() if len(period) == 10)
        months = sum(outputs for period, outputs in each.spent.items() if len(period) == 7)
        return each.reserved == days == months == asked > 0

    assert not wrong([*recomposed, *forgotten], right)


def test_the_front_end_cache_is_purged_after_each_flip(recomposed):
    """Either the killed process purges it, or the next one."""
    points = [each.point for each in recomposed]
    before = points.index("purge") + 1
    due = [each for each in certain_ones(recomposed) if each.at <= before]
    assert len(due) > 50
    assert not wrong(due, lambda each: "purge" in each.later)
