"""Every route of the application, with the weakest role that may take it. docs/access.md has the same lines."""

from __future__ import annotations

import re

from werkzeug.routing import Rule

ROUTES = """\
GET    /                                            viewer
GET    /clients/                                    viewer
GET    /clients/<client_id>/                        viewer
GET    /clients/<client_id>/conversation/           viewer
GET    /clients/<client_id>/edit/                   operator
POST   /clients/<client_id>/edit/                   operator
GET    /clients/<client_id>/remove/                 operator
POST   /clients/<client_id>/remove/                 operator
GET    /clients/export/                             viewer
GET    /clients/fields/                             viewer
GET    /clients/fields/<client_field_id>/edit/      operator
POST   /clients/fields/<client_field_id>/edit/      operator
GET    /clients/fields/<client_field_id>/remove/    admin
POST   /clients/fields/<client_field_id>/remove/    admin
GET    /clients/fields/new/                         operator
POST   /clients/fields/new/                         operator
GET    /clients/import/                             operator
POST   /clients/import/                             operator
GET    /clients/new/                                operator
POST   /clients/new/                                operator
GET    /consents/                                   viewer
GET    /consents/<consent_id>/                      viewer
GET    /consents/<consent_id>/withdraw/             operator
POST   /consents/<consent_id>/withdraw/             operator
POST   /consents/file/                              operator
GET    /consents/import/                            operator
GET    /consents/new/                               operator
POST   /consents/new/                               operator
GET    /docs/                                       public
GET    /docs/<name>                                 public
GET    /docs/<version>/<name>                       public
GET    /gateways/                                   admin
GET    /gateways/<gateway_id>/edit/                 admin
POST   /gateways/<gateway_id>/edit/                 admin
GET    /gateways/<gateway_id>/pause/                admin
POST   /gateways/<gateway_id>/pause/                admin
GET    /gateways/<gateway_id>/remove/               admin
POST   /gateways/<gateway_id>/remove/               admin
GET    /gateways/<gateway_id>/resume/               admin
POST   /gateways/<gateway_id>/resume/               admin
GET    /gateways/<gateway_id>/test/                 admin
POST   /gateways/<gateway_id>/test/                 admin
GET    /gateways/new/                               admin
POST   /gateways/new/                               admin
GET    /healthz/                                    public
GET    /holiday-calendars/                          viewer
GET    /holiday-calendars/<holiday_calendar_id>/    viewer
GET    /holiday-calendars/<holiday_calendar_id>/edit/ admin
POST   /holiday-calendars/<holiday_calendar_id>/edit/ admin
GET    /holiday-calendars/<holiday_calendar_id>/remove/ admin
POST   /holiday-calendars/<holiday_calendar_id>/remove/ admin
GET    /holiday-calendars/new/                      admin
POST   /holiday-calendars/new/                      admin
GET    /inbox/                                      viewer
GET    /inbox/<inbound_message_id>/                 viewer
POST   /inbox/<inbound_message_id>/answer/          operator
POST   /inbox/<inbound_message_id>/decide/          operator
POST   /inbox/<inbound_message_id>/read/            operator
POST   /inbox/<inbound_message_id>/unread/          operator
GET    /ledger/                                     viewer
GET    /ledger/<message_id>/                        viewer
POST   /ledger/<message_id>/resolve/                operator
GET    /login/                                      public
POST   /login/                                      public
GET    /login/provider/                             public
GET    /login/provider/back/                        public
POST   /logout/                                     public
GET    /mailings/                                   viewer
GET    /mailings/<mailing_id>/                      viewer
GET    /mailings/<mailing_id>/<action>/             operator
POST   /mailings/<mailing_id>/<action>/             operator
GET    /mailings/<mailing_id>/edit/                 operator
POST   /mailings/<mailing_id>/edit/                 operator
GET    /mailings/<mailing_id>/export/               viewer
GET    /mailings/<mailing_id>/ledger.csv            viewer
GET    /mailings/<mailing_id>/plan.csv              viewer
GET    /mailings/<mailing_id>/plan/                 viewer
GET    /mailings/<mailing_id>/test/                 operator
POST   /mailings/<mailing_id>/test/                 operator
GET    /mailings/<mailing_id>/texts/                viewer
POST   /mailings/<mailing_id>/undo/                 operator
GET    /mailings/drafts/<draft_id>/                 operator
POST   /mailings/drafts/<draft_id>/                 operator
GET    /mailings/drafts/<draft_id>/edit/            operator
POST   /mailings/drafts/<draft_id>/edit/            operator
GET    /mailings/drafts/<draft_id>/remove/          operator
POST   /mailings/drafts/<draft_id>/remove/          operator
GET    /mailings/drafts/<draft_id>/versions/        operator
POST   /mailings/estimate/                          viewer
GET    /mailings/new/                               operator
POST   /mailings/new/                               operator
GET    /metrics/                                    viewer
GET    /number-lists/                               viewer
GET    /number-lists/<number_list_id>/              viewer
GET    /number-lists/<number_list_id>/remove/       operator
POST   /number-lists/<number_list_id>/remove/       operator
POST   /number-lists/file/                          operator
GET    /number-lists/new/                           operator
GET    /numbers/<phone_number>/erase/               admin
POST   /numbers/<phone_number>/erase/               admin
GET    /opt-out/<path:token>/                       public
POST   /opt-out/<path:token>/                       public
GET    /orphan-receipts/                            viewer
GET    /preferences/                                public
GET    /readyz/                                     public
GET    /routes/                                     viewer
GET    /routes/<route_id>/edit/                     admin
POST   /routes/<route_id>/edit/                     admin
GET    /routes/<route_id>/remove/                   admin
POST   /routes/<route_id>/remove/                   admin
GET    /routes/new/                                 admin
POST   /routes/new/                                 admin
GET    /segments/                                   viewer
GET    /segments/<segment_id>/                      viewer
POST   /segments/<segment_id>/count/                viewer
GET    /segments/<segment_id>/edit/                 operator
POST   /segments/<segment_id>/edit/                 operator
GET    /segments/<segment_id>/remove/               operator
POST   /segments/<segment_id>/remove/               operator
POST   /segments/conditions/                        viewer
POST   /segments/count/                             viewer
GET    /segments/new/                               operator
POST   /segments/new/                               operator
GET    /sending-rules/                              admin
POST   /sending-rules/                              admin
GET    /sending-rules/replies/                      admin
POST   /sending-rules/replies/                      admin
GET    /static/<name>                               public
GET    /static/<version>/<name>                     public
GET    /suppressions/                               viewer
GET    /suppressions/<suppression_id>/              viewer
GET    /suppressions/<suppression_id>/lift/         operator
POST   /suppressions/<suppression_id>/lift/         operator
GET    /suppressions/export/                        viewer
POST   /suppressions/file/                          operator
GET    /suppressions/import/                        operator
GET    /suppressions/new/                           operator
POST   /suppressions/new/                           operator
GET    /templates/                                  viewer
GET    /templates/<template_id>/                    viewer
GET    /templates/<template_id>/edit/               operator
POST   /templates/<template_id>/edit/               operator
GET    /templates/<template_id>/remove/             operator
POST   /templates/<template_id>/remove/             operator
GET    /templates/new/                              operator
POST   /templates/new/                              operator
POST   /templates/preview/                          viewer
GET    /v1/audit/                                   admin
GET    /v1/client-field/                            viewer
DELETE /v1/client-field/<client_field_id>/          admin
GET    /v1/client-field/<client_field_id>/          viewer
PUT    /v1/client-field/<client_field_id>/          operator
POST   /v1/client-field/create/                     operator
GET    /v1/client/                                  viewer
DELETE /v1/client/<client_id>/                      operator
GET    /v1/client/<client_id>/                      viewer
PUT    /v1/client/<client_id>/                      operator
POST   /v1/client/create/                           operator
GET    /v1/client/export/                           viewer
POST   /v1/client/import/                           operator
GET    /v1/consent/                                 viewer
GET    /v1/consent/<consent_id>/                    viewer
POST   /v1/consent/<consent_id>/withdraw/           operator
POST   /v1/consent/create/                          operator
POST   /v1/consent/import/                          operator
GET    /v1/draft/                                   operator
DELETE /v1/draft/<draft_id>/                        operator
GET    /v1/draft/<draft_id>/                        operator
PUT    /v1/draft/<draft_id>/                        operator
POST   /v1/draft/<draft_id>/send/                   operator
GET    /v1/draft/<draft_id>/version/                operator
POST   /v1/draft/create/                            operator
GET    /v1/gateway/                                 admin
POST   /v1/gateway/                                 admin
DELETE /v1/gateway/<gateway_id>/                    admin
GET    /v1/gateway/<gateway_id>/                    admin
PUT    /v1/gateway/<gateway_id>/                    admin
GET    /v1/gateway/<gateway_id>/callbacks/          admin
POST   /v1/gateway/<gateway_id>/callbacks/rotate/   admin
POST   /v1/gateway/<gateway_id>/pause/              admin
POST   /v1/gateway/<gateway_id>/resume/             admin
POST   /v1/gateway/<gateway_id>/test/               admin
GET    /v1/holiday-calendar/                        viewer
POST   /v1/holiday-calendar/                        admin
DELETE /v1/holiday-calendar/<holiday_calendar_id>/  admin
GET    /v1/holiday-calendar/<holiday_calendar_id>/  viewer
PUT    /v1/holiday-calendar/<holiday_calendar_id>/  admin
GET    /v1/inbound-message/                         viewer
GET    /v1/inbound-message/<inbound_message_id>/    viewer
POST   /v1/inbound-message/<inbound_message_id>/answer/ operator
POST   /v1/inbound-message/<inbound_message_id>/decide/ operator
POST   /v1/inbound-message/<inbound_message_id>/read/ operator
POST   /v1/inbound-message/<inbound_message_id>/unread/ operator
GET    /v1/inbound/<path:address>/                  public
POST   /v1/inbound/<path:address>/                  public
GET    /v1/key/                                     admin
DELETE /v1/key/<key_id>/                            admin
GET    /v1/key/<key_id>/                            admin
POST   /v1/key/create/                              admin
GET    /v1/mailing/                                 viewer
DELETE /v1/mailing/<mailing_id>/                    operator
GET    /v1/mailing/<mailing_id>/                    viewer
PUT    /v1/mailing/<mailing_id>/                    operator
POST   /v1/mailing/<mailing_id>/approve/            operator
POST   /v1/mailing/<mailing_id>/cancel/             operator
GET    /v1/mailing/<mailing_id>/journal/            viewer
GET    /v1/mailing/<mailing_id>/message/            viewer
POST   /v1/mailing/<mailing_id>/pause/              operator
GET    /v1/mailing/<mailing_id>/plan/               viewer
POST   /v1/mailing/<mailing_id>/resume/             operator
POST   /v1/mailing/<mailing_id>/retry/              operator
POST   /v1/mailing/<mailing_id>/test/               operator
POST   /v1/mailing/<mailing_id>/undo/               operator
POST   /v1/mailing/create/                          operator
POST   /v1/mailing/plan/                            viewer
GET    /v1/message/                                 viewer
GET    /v1/message/<message_id>/                    viewer
POST   /v1/message/<message_id>/resolve/            operator
GET    /v1/number-list/                             viewer
DELETE /v1/number-list/<number_list_id>/            operator
GET    /v1/number-list/<number_list_id>/            viewer
POST   /v1/number-list/create/                      operator
POST   /v1/number/<phone_number>/erase/             admin
GET    /v1/number/<phone_number>/evidence/          admin
GET    /v1/orphan-receipt/                          viewer
GET    /v1/provider/                                admin
GET    /v1/receipt/<path:address>/                  public
POST   /v1/receipt/<path:address>/                  public
GET    /v1/route/                                   viewer
POST   /v1/route/                                   admin
DELETE /v1/route/<route_id>/                        admin
GET    /v1/route/<route_id>/                        viewer
PUT    /v1/route/<route_id>/                        admin
GET    /v1/segment/                                 viewer
DELETE /v1/segment/<segment_id>/                    operator
GET    /v1/segment/<segment_id>/                    viewer
PUT    /v1/segment/<segment_id>/                    operator
POST   /v1/segment/count/                           viewer
POST   /v1/segment/create/                          operator
GET    /v1/sending-rules/                           viewer
PUT    /v1/sending-rules/                           admin
POST   /v1/sign-in-link/create/                     viewer
GET    /v1/statistics/                              viewer
GET    /v1/statistics/delivery/                     viewer
GET    /v1/suppression/                             viewer
GET    /v1/suppression/<suppression_id>/            viewer
POST   /v1/suppression/<suppression_id>/lift/       operator
POST   /v1/suppression/create/                      operator
GET    /v1/suppression/export/                      viewer
POST   /v1/suppression/import/                      operator
GET    /v1/template/                                viewer
DELETE /v1/template/<template_id>/                  operator
GET    /v1/template/<template_id>/                  viewer
PUT    /v1/template/<template_id>/                  operator
GET    /v1/template/<template_id>/version/          viewer
POST   /v1/template/create/                         operator
POST   /v1/template/preview/                        viewer
GET    /v1/window-preset/                           viewer
"""


def listed_path(rule: Rule) -> str:
    """A rule's path as it is listed: with the slash that may be left out."""
    path = re.sub(r"<any\(.*?\):\w+>", "<action>", rule.rule).replace("<id:", "<")
    return path if re.search(r"\.\w+$|<name>$", path) else path.rstrip("/") + "/"


def _roles() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for line in ROUTES.splitlines():
        method, path, role = line.split()
        found[method, path] = role
        # It tells which methods there are: of the API to everybody with a key, of a page to who may see it.
        found.setdefault(("OPTIONS", path), "viewer" if path.startswith("/v1/") else role)
    return found


ROLES = _roles()
"""By method and path."""
