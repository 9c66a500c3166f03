"""Gives clients declared attributes, and mailings segments, templates and their plans.

- `client_field` declares the attributes of clients. `client.attributes` has the values, `client.tags` more tags.
- `import_mapping` remembers which columns of a file people chose for which fields.
- `segment`, `number_list` and `template` are what people keep for the next mailing.
- `mailing_audience` has the ids of a launch whose audience is a segment, until they are messages.
- `message.text_values` are the values that a template was filled in with, fixed at the first claim.

No row is rewritten; two indexes of clients are built, which have no entries yet.

Revises: 0018
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

WORK_STORAGE = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500"

TABLES = f"""
CREATE TYPE field_type AS ENUM ('text', 'number', 'boolean', 'date', 'datetime', 'list');
CREATE TABLE client_field (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    type field_type NOT NULL,
    label text DEFAULT '' NOT NULL,
    repeats_yearly boolean DEFAULT false NOT NULL,
    removal_started_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT client_field_pkey PRIMARY KEY (id),
    CONSTRAINT client_field_name_key UNIQUE (name),
    CONSTRAINT client_field_only_dates_repeat CHECK (type = 'date' OR NOT repeats_yearly)
);
ALTER TABLE client
    ADD COLUMN external_id text,
    ADD COLUMN tags text[] DEFAULT '{{}}' NOT NULL,
    ADD COLUMN attributes jsonb DEFAULT '{{}}' NOT NULL,
    ADD CONSTRAINT client_tags_are_others CHECK (NOT tag = ANY(tags)),
    ADD CONSTRAINT client_attributes_are_an_object CHECK (jsonb_typeof(attributes) = 'object');
CREATE UNIQUE INDEX client_external_id_key ON client (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX client_tags_idx ON client USING gin (tags) WHERE tags <> '{{}}';
CREATE TABLE import_mapping (
    header_hash text NOT NULL,
    columns jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT import_mapping_pkey PRIMARY KEY (header_hash)
);
CREATE TABLE segment (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    text text NOT NULL,
    tree jsonb NOT NULL,
    removed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT segment_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX segment_name_key ON segment (name) WHERE removed_at IS NULL;
CREATE TABLE number_list (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    numbers bigint DEFAULT 0 NOT NULL,
    is_complete boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT number_list_pkey PRIMARY KEY (id),
    CONSTRAINT number_list_name_key UNIQUE (name)
);
CREATE TABLE number_list_entry (
    list_id bigint NOT NULL,
    phone_number bigint NOT NULL,
    CONSTRAINT number_list_entry_pkey PRIMARY KEY (list_id, phone_number),
    CONSTRAINT number_list_entry_list_id_fkey FOREIGN KEY (list_id) REFERENCES number_list(id) ON DELETE CASCADE
);
CREATE TABLE template (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT template_pkey PRIMARY KEY (id),
    CONSTRAINT template_name_key UNIQUE (name)
);
CREATE TABLE template_text (
    template_id bigint NOT NULL,
    revision integer NOT NULL,
    text text NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    written_by_name text,
    CONSTRAINT template_text_pkey PRIMARY KEY (template_id, revision),
    CONSTRAINT template_text_template_id_fkey FOREIGN KEY (template_id) REFERENCES template(id) ON DELETE CASCADE,
    CONSTRAINT template_text_is_1_to_1600_characters CHECK (octet_length(text) BETWEEN 1 AND 6400)
);
ALTER TABLE mailing
    ADD COLUMN segment_id bigint,
    ADD COLUMN segment text,
    ADD COLUMN segment_tree jsonb,
    ADD COLUMN excluded_segment_ids bigint[] DEFAULT '{{}}' NOT NULL,
    ADD COLUMN audience_frozen_at timestamp with time zone,
    ADD COLUMN audience_failed_at timestamp with time zone,
    ADD COLUMN excluded_trees jsonb,
    ADD COLUMN personalised boolean DEFAULT false NOT NULL,
    ADD CONSTRAINT mailing_segment_id_fkey FOREIGN KEY (segment_id) REFERENCES segment(id),
    ADD CONSTRAINT mailing_takes_a_mark_or_a_segment CHECK (
        (mark = '') = (segment_id IS NOT NULL OR segment IS NOT NULL)),
    ADD CONSTRAINT mailing_segment_has_a_tree CHECK ((segment IS NULL) = (segment_tree IS NULL)),
    ADD CONSTRAINT mailing_audience_is_listed_before_messages CHECK (
        (mark <> '' AND excluded_segment_ids = '{{}}') OR audience_frozen_at IS NOT NULL
        OR (audience = 0 AND launched_at IS NULL));
CREATE INDEX mailing_segment_id_idx ON mailing (segment_id) WHERE segment_id IS NOT NULL;
CREATE TABLE mailing_audience (
    mailing_id bigint NOT NULL,
    first_client_id bigint NOT NULL,
    client_ids bigint[] NOT NULL,
    CONSTRAINT mailing_audience_pkey PRIMARY KEY (mailing_id, first_client_id)
) WITH ({WORK_STORAGE});
-- Compressing the ids would take longer than listing them.
ALTER TABLE mailing_audience ALTER COLUMN client_ids SET STORAGE EXTERNAL;
CREATE TABLE mailing_plan (
    mailing_id bigint NOT NULL,
    planned_at timestamp with time zone DEFAULT now() NOT NULL,
    plan jsonb NOT NULL,
    CONSTRAINT mailing_plan_pkey PRIMARY KEY (mailing_id),
    CONSTRAINT mailing_plan_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE
);
ALTER TABLE mailing_text
    ADD COLUMN fields text[],
    ADD COLUMN field_types field_type[],
    ADD COLUMN template_id bigint,
    ADD COLUMN template_revision integer,
    ADD CONSTRAINT mailing_text_template_id_fkey FOREIGN KEY (template_id) REFERENCES template(id) ON DELETE SET NULL,
    ADD CONSTRAINT mailing_text_fields_are_some CHECK (cardinality(fields) > 0),
    ADD CONSTRAINT mailing_text_fields_have_types CHECK (
        cardinality(fields) IS NOT DISTINCT FROM cardinality(field_types));
CREATE INDEX mailing_text_template_id_idx ON mailing_text (template_id) WHERE template_id IS NOT NULL;
ALTER TABLE message ADD COLUMN text_values text[];
"""

FIELDS = """
INSERT INTO client_field (name, type, repeats_yearly)
VALUES ('name', 'text', false), ('first_name', 'text', false), ('last_name', 'text', false), ('birthday', 'date', true)
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FIELDS)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE message DROP COLUMN text_values;
        ALTER TABLE mailing_text DROP COLUMN fields, DROP COLUMN field_types, DROP COLUMN template_id,
            DROP COLUMN template_revision;
        DROP TABLE mailing_plan, mailing_audience;
        ALTER TABLE mailing DROP COLUMN segment_id, DROP COLUMN segment, DROP COLUMN segment_tree,
            DROP COLUMN excluded_segment_ids, DROP COLUMN audience_frozen_at, DROP COLUMN audience_failed_at,
            DROP COLUMN excluded_trees, DROP COLUMN personalised;
        DROP TABLE template_text, template, number_list_entry, number_list, segment;
        ALTER TABLE client DROP COLUMN external_id, DROP COLUMN tags, DROP COLUMN attributes;
        DROP TABLE import_mapping, client_field;
        DROP TYPE field_type;
    """)
