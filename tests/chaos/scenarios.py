"""Short scenarios for two workers, each of which exposes some mutants. What the API would do is done by SQL here.

Those with several gateways are in gateway_scenarios.py, those of suppressions, local windows and caps in
rule_scenarios.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.chaos import gateway_scenarios, receipt_scenarios, rule_scenarios
from tests.chaos.checker import check
from tests.chaos.environment import Environment, Program
from tests.chaos.facts import Facts, Violation
from tests.chaos.observer import Observer
from tests.chaos.scenario import QUICK, SETTINGS, Scenario
from tests.factories import add_clients, add_mailing, add_segment, execute, revise_text, value
from tests.waiting import PATIENCE, eventually

# What the API does to messages when it changes and when it removes clients.
GIVE_NEW_PHONES = """
UPDATE message SET phone_number = client.phone_number FROM client
WHERE client.id = client_id AND status = 'pending' AND attempts = 0
"""
END_MESSAGES = """
UPDATE message SET status = CASE WHEN in_doubt THEN 'unknown' ELSE 'cancelled' END::message_status, ended_at = now()
WHERE status = 'pending' AND NOT EXISTS (SELECT FROM client WHERE client.id = client_id)
"""
RENAME = "UPDATE client SET attributes = jsonb_build_object('name', 'Zoë ' || id)"

# What it does when messages are retried.
TRY_AGAIN = """
UPDATE message SET status = 'pending', due_at = now(), ended_at = NULL, reason_code = NULL, reason_params = NULL,
    uncounted_attempts = attempts
WHERE mailing_id = %s AND status = 'failed'
"""
RUN_AGAIN = """
UPDATE mailing SET status = CASE status WHEN 'finished' THEN 'running' ELSE status END, ended_at = NULL,
    settled_at = NULL
WHERE id = %s
"""
COUNT_FAILED = "SELECT count(*) FROM message WHERE mailing_id = %s AND status = 'failed'"


def claim_race(scenario: Scenario) -> None:
    """Both workers try to claim the same messages, which are locked for a moment; then there are many."""
    scenario.start(scenario.first, scenario.second)
    mailing_id = scenario.add_launched(8, 0.0, ends_in=60.0, paused=True)
    with scenario.at_once() as connection:
        execute(connection, "SELECT FROM message FOR UPDATE")
        scenario.set_status(mailing_id, "running")
        time.sleep(0.3)
    scenario.add_mailing(80)


def stalled_worker(scenario: Scenario) -> None:
    """A worker is frozen with requests in flight; another one sends them again; meanwhile the first one continues."""
    scenario.environment.gateway.faults(latency=0.5)
    scenario.start(scenario.first)
    scenario.add_mailing(4)
    scenario.until_requests(4)
    _freeze(scenario, scenario.first)
    scenario.start(scenario.second)
    scenario.until_requests(8)
    _thaw(scenario, scenario.first)


def killed_worker(scenario: Scenario) -> None:
    """One of two workers is killed with requests in flight. Somebody has locked one of the messages while the other one
    reclaims them.
    """
    scenario.environment.gateway.faults(latency=0.5)
    scenario.start(scenario.first, scenario.second)
    _freeze(scenario, scenario.second)
    scenario.add_mailing(4)
    scenario.until_requests(4)
    _thaw(scenario, scenario.second)
    time.sleep(0.3)
    scenario.environment.note("kill", scenario.first.signature)
    scenario.first.kill()
    scenario.environment.gateway.faults()
    with scenario.at_once() as connection:
        execute(connection, "SELECT FROM message ORDER BY id DESC LIMIT 1 FOR UPDATE")
        time.sleep(1.5)  # longer than a lease and a round of maintenance


def late_answer(scenario: Scenario) -> None:
    """A worker has received answers and can't reach the database before its leases have expired."""
    scenario.environment.gateway.faults(latency=0.3)
    scenario.start(scenario.first, scenario.second)
    _freeze(scenario, scenario.second)
    scenario.add_mailing(4, on_unknown="hold")
    scenario.until_requests(4)
    scenario.environment.proxies[0].drop_data("requests")
    _thaw(scenario, scenario.second)
    scenario.until(lambda: value(scenario.api, "SELECT count(*) FROM attempt") == 4)
    scenario.environment.proxies[0].restore()
    time.sleep(0.5)


def window_closes(scenario: Scenario) -> None:
    """A window closes while claimed messages wait for a slow gateway, and while others become due."""
    scenario.environment.gateway.faults(latency=1.2)
    scenario.start(scenario.first)
    scenario.add_launched(40, 2.0, ends_in=1.0)


def change_in_flight(scenario: Scenario) -> None:
    """A mailing is cancelled, and another one's window ends, while claimed messages wait for a slow gateway."""
    scenario.environment.gateway.faults(latency=3.0)
    scenario.start(scenario.first)
    cancelled, ended = (scenario.add_launched(20, 0.0) for _ in range(2))
    scenario.until_requests(4)
    scenario.set_status(cancelled, "cancelled")
    execute(scenario.api, "UPDATE mailing SET end_datetime = now() WHERE id = %s", ended)
    scenario.environment.gateway.faults()


def pause(scenario: Scenario) -> None:
    """Two mailings are paused and cancelled while their messages become due."""
    scenario.start(scenario.first, scenario.second)
    paused, cancelled = (scenario.add_launched(40, 1.0) for _ in range(2))
    scenario.until_requests(5)
    scenario.set_status(paused, "paused")
    scenario.set_status(cancelled, "cancelled")
    time.sleep(0.5)
    scenario.set_status(paused, "running")


def retry(scenario: Scenario) -> None:
    """What failed is tried again while workers look whether its mailing is over."""
    scenario.environment.gateway.faults(statuses={400: 1.0})
    scenario.start(scenario.first, scenario.second)
    mailing_id = scenario.add_launched(20, 0.1)
    scenario.until(lambda: value(scenario.api, COUNT_FAILED, mailing_id) == 20)
    scenario.environment.gateway.faults()
    with scenario.at_once() as connection:
        execute(connection, "SELECT FROM mailing WHERE id = %s FOR UPDATE", mailing_id)
        execute(connection, TRY_AGAIN, mailing_id)
        execute(connection, RUN_AGAIN, mailing_id)
        time.sleep(0.6)  # longer than a round of maintenance


def mixed_answers(scenario: Scenario) -> None:
    """The gateway refuses, garbles and resets; between attempts the text is edited and some clients are removed."""
    scenario.environment.gateway.faults(
        bodies={"refused": 0.25, "garbage": 0.1},
        reset_before_accept=0.25,
        reset_after_accept=0.2,
        statuses={429: 0.1},
        retry_after="1",
        latency=0.1,
        seed=7,
    )
    scenario.start(scenario.first, scenario.second)
    mailings = [scenario.add_mailing(25), scenario.add_mailing(12, on_unknown="hold")]
    scenario.add_mailing(20, text="Hello, {{ name }}!", fields={"name": "text"})
    scenario.until_requests(10)
    for mailing_id in mailings:
        with scenario.at_once() as connection:
            revise_text(connection, mailing_id, "Another text")
    with scenario.at_once() as connection:
        execute(connection, "DELETE FROM client WHERE id %% 2 = 0")
        execute(connection, END_MESSAGES)
    with scenario.at_once() as connection:
        execute(connection, RENAME)
    time.sleep(0.3)


def launch(scenario: Scenario) -> None:
    """A launch in several chunks is held up while clients are added."""
    scenario.start(scenario.first, scenario.second)
    clients = add_clients(scenario.api, 14, tag="crowd")
    with scenario.at_once() as connection:
        execute(connection, "SELECT FROM client WHERE id = %s FOR UPDATE", clients[6])
        with scenario.at_once() as another:
            mailing_id = add_mailing(another, mark="crowd")
        eventually(lambda: value(scenario.api, "SELECT audience FROM mailing WHERE id = %s", mailing_id))
        add_clients(scenario.api, 3, tag="crowd")


def listed_launch(scenario: Scenario) -> None:
    """A launch of a segment that leaves another one out is held up, and one of its workers is killed."""
    scenario.start(scenario.first, scenario.second)
    clients = add_clients(scenario.api, 14, tag="crowd")
    execute(scenario.api, "UPDATE client SET operator_code = '79' WHERE id = ANY(%s)", clients[::4])
    excluded = add_segment(scenario.api, "operator_code = 79")
    with scenario.at_once() as connection:
        execute(connection, "SELECT FROM client WHERE id = %s FOR UPDATE", clients[6])
        with scenario.at_once() as another:
            mailing_id = add_mailing(another, segment='tag = "crowd"', excluded=[excluded])
        eventually(lambda: value(scenario.api, "SELECT audience FROM mailing WHERE id = %s", mailing_id))
        execute(scenario.api, "UPDATE segment SET tree = tree #- '{value}' || '{\"value\": \"78\"}'")
        add_clients(scenario.api, 3, tag="crowd")
        scenario.environment.note("kill", scenario.first.signature)
        scenario.first.kill()
    scenario.start(scenario.first)


def stop_in_flight(scenario: Scenario) -> None:
    """A worker is asked to stop while requests are in flight and others wait, whose text and phone numbers have just
    been changed; then another one starts.
    """
    scenario.environment.gateway.faults(latency=0.5)
    scenario.start(scenario.first)
    mailing_id = scenario.add_mailing(12, text="Hello, {{ name }}!", fields={"name": "text"})
    scenario.until(
        lambda: value(scenario.api, "SELECT count(*) FROM message WHERE status = 'sending'") > QUICK.concurrency
    )
    with scenario.at_once() as connection:
        revise_text(connection, mailing_id, "Bye, {{ name }}!", fields={"name": "text"})
        execute(connection, "UPDATE client SET phone_number = phone_number + 1000")
        execute(connection, GIVE_NEW_PHONES)
        execute(connection, RENAME)
    scenario.first.terminate()
    scenario.environment.note("exit", scenario.first.signature, str(scenario.first.wait(PATIENCE)))
    scenario.start(scenario.second)


def rate_limit(scenario: Scenario) -> None:
    """The whole fleet may send so many messages a second, and there is more to send than that."""
    scenario.start(scenario.first, scenario.second)
    scenario.add_mailing(150)


SCENARIOS: dict[str, Callable[[Scenario], None]] = {
    "claim race": claim_race,
    "stalled worker": stalled_worker,
    "killed worker": killed_worker,
    "late answer": late_answer,
    "window closes": window_closes,
    "change in flight": change_in_flight,
    "pause": pause,
    "retry": retry,
    "mixed answers": mixed_answers,
    "launch": launch,
    "listed launch": listed_launch,
    "stop": stop_in_flight,
    "rate limit": rate_limit,
    "look-ups": gateway_scenarios.look_ups,
    "failover": gateway_scenarios.failover,
    "gateway lost": gateway_scenarios.gateway_lost,
    "account refused": gateway_scenarios.account_refused,
    "receipts": receipt_scenarios.receipts,
    "suppressions": rule_scenarios.suppressions,
    "local windows": rule_scenarios.local_windows,
    "local window closes": rule_scenarios.local_window_closes,
    "caps": rule_scenarios.caps,
}
"""By name."""


def run_scenario(environment: Environment, name: str, mutant: str, timeout: float) -> tuple[Facts, list[Violation]]:
    """Runs a scenario in an emptied environment for `timeout` seconds at most, and checks its facts."""
    environment.reset()
    observer = Observer(environment.connect)
    observer.start()
    scenario = Scenario(environment, mutant, SETTINGS.get(name, QUICK), timeout)
    try:
        SCENARIOS[name](scenario)
        facts = scenario.end()
    finally:
        scenario.close()
        observer.stop()
    facts.samples, facts.snapshots = observer.samples, observer.snapshots
    return facts, check(facts)


def _freeze(scenario: Scenario, worker: Program) -> None:
    scenario.environment.note("stop", worker.signature)
    worker.freeze()


def _thaw(scenario: Scenario, worker: Program) -> None:
    scenario.environment.note("continue", worker.signature)
    worker.thaw()
