"""What the HTTP API of Jasmin 0.11.1 answers."""

from __future__ import annotations

from tests.unit.gateways.adapter_cases import answer
from tests.unit.gateways.conformance import Samples

SAMPLES: Samples = {
    "accepted": [answer(200, 'Success "07033084-5cfd-4812-90a4-e4d24ffb6e3d"')],
    "refused": [
        answer(400, 'Error "Argument [to] has an invalid value: [x]."'),
        answer(400, 'Error "Value filter failed for user [g] (destination_address filter mismatch)."'),
        answer(400, 'Error "Value filter failed for user [g] (content filter mismatch)."'),
    ],
    "retriable": [answer(500, 'Error "Cannot send submit_sm, check SMPPClientManagerPB log file for details"')],
    "throttled": [
        answer(403, 'Error "User throughput exceeded"'),
        answer(412, 'Error "Failover route has no bound connectors"'),
        answer(503, 'Error "InterceptorPB not connected !"'),
        answer(429, Retry_After="30"),
    ],
    "misconfigured": [
        answer(403, 'Error "Authentication failure for username:gonets"'),
        answer(412, 'Error "No route found"'),
        answer(400, 'Error "Authorization failed for user [g] (Cannot send MT messages)."'),
        answer(400, 'Error "Authorization failed for user [g] (Setting source address not authorized)."'),
        answer(400, 'Error "Value filter failed for user [g] (source_address filter mismatch)."'),
    ],
    "no_credit": [answer(403, 'Error "Cannot charge submit_sm, check RouterPB log file for details"')],
    "ambiguous": [
        answer(200),
        answer(200, 'Success ""'),
        answer(200, 'Success "two words"'),
        answer(200, 'Error "odd"'),
        answer(201, 'Success "1"'),
        answer(500, 'Error "Unknown error: x"'),
        answer(502, "<html>"),
    ],
}
