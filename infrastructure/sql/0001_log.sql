-- The log: facts in one gapless order, and the commands that led to them.

CREATE SCHEMA IF NOT EXISTS crm;

CREATE TABLE crm.schema_version (
    version     integer     PRIMARY KEY,
    migrated_at timestamptz NOT NULL DEFAULT now()
);

-- One row: its lock orders the writers, so positions have no gaps, become visible in their order,
-- and the recorded time never runs backwards along them.
CREATE TABLE crm.head (
    only_one    boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL
);
INSERT INTO crm.head (position, recorded_at) VALUES (0, '-infinity');

CREATE TABLE crm.facts (
    position       bigint      NOT NULL UNIQUE,
    kind           text        NOT NULL,
    stream         uuid        NOT NULL,
    version        integer     NOT NULL CHECK (version > 0),
    name           text        NOT NULL,
    schema_version smallint    NOT NULL DEFAULT 1,
    effective_at   timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    actor          text        NOT NULL,
    reason         text        NOT NULL,
    command_id     uuid        NOT NULL,
    correlation_id uuid        NOT NULL,
    causation_id   uuid,
    policy         text        NOT NULL,
    customer       uuid,
    payload        bytea       NOT NULL,
    PRIMARY KEY (kind, stream, version)
);
CREATE INDEX facts_customer ON crm.facts (customer) WHERE customer IS NOT NULL;

-- A command led to the facts behind position `after`, this many of them, perhaps none.
CREATE TABLE crm.commands (
    command_id uuid    PRIMARY KEY,
    digest     bytea   NOT NULL,
    after      bigint  NOT NULL,
    facts      integer NOT NULL CHECK (facts >= 0)
);

-- What the projections answered when they were last rebuilt; hosts may read it with SQL.
CREATE TABLE crm.answers (
    customer       uuid        NOT NULL,
    question       text        NOT NULL,
    answer         text        NOT NULL,
    rule           text        NOT NULL,
    since          timestamptz NOT NULL,
    next_change_at timestamptz,
    because        bigint[]    NOT NULL,
    PRIMARY KEY (question, customer)
);
