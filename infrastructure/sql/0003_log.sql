-- The log: facts as their writers committed them, and the one order in which they were sealed.
-- Numbers 1 and 2 were never released: a store that has one of them is refused.

CREATE SCHEMA IF NOT EXISTS crm;

CREATE TABLE IF NOT EXISTS crm.schema_version (
    version     integer     PRIMARY KEY,
    migrated_at timestamptz NOT NULL DEFAULT now()
);

-- Numbers the transactions that write facts: a transaction that has seen another one's facts has a
-- higher number. Numbers of transactions that failed are left out.
CREATE SEQUENCE crm.batches;

-- The key is the optimistic lock. The limits are also those of docs/reference/limits.md: lengths are
-- types and not checks, because every statement reads all checks of its table anew.
CREATE TABLE crm.facts (
    batch          bigint        NOT NULL,
    ordinal        integer       NOT NULL,
    kind           varchar(100)  NOT NULL,
    stream         uuid          NOT NULL,
    version        integer       NOT NULL,
    slot           smallint      NOT NULL,
    name           varchar(200)  NOT NULL,
    schema_version smallint      NOT NULL,
    effective_at   timestamptz   NOT NULL,
    written_at     timestamptz   NOT NULL,
    actor          varchar(200)  NOT NULL,
    reason         varchar(4000) NOT NULL,
    command_id     uuid          NOT NULL,
    correlation_id uuid          NOT NULL,
    causation_id   uuid,
    policy         varchar(120)  NOT NULL,
    customer       uuid,
    payload        bytea         NOT NULL CHECK (octet_length(payload) <= 65536),
    digest         bytea         NOT NULL,
    PRIMARY KEY (kind, stream, version)
);
-- No place in the order is taken twice, also when the sequence was set back. A sharded store has to
-- do without it, and finds it out by `crmcore verify`.
CREATE UNIQUE INDEX facts_batch ON crm.facts (batch, ordinal);
CREATE INDEX facts_customer ON crm.facts (customer) WHERE customer IS NOT NULL;

-- A command that was carried out: what it asked for, as a digest, and how many facts it led to.
CREATE TABLE crm.commands (
    command_id uuid     PRIMARY KEY,
    digest     bytea    NOT NULL,
    batch      bigint   NOT NULL,
    facts      smallint NOT NULL CHECK (facts BETWEEN 0 AND 100)
);

-- What a writer sends of them; without the ordinal and the digest it is what the digest covers.
CREATE TYPE crm.fact AS (
    ordinal integer, kind text, stream uuid, version integer, slot smallint, name text,
    schema_version smallint, effective_at timestamptz, written_at timestamptz, actor text,
    reason text, command_id uuid, correlation_id uuid, causation_id uuid, policy text,
    customer uuid, payload bytea, digest bytea
);
CREATE TYPE crm.command AS (command_id uuid, digest bytea, facts smallint);

-- The batches that are committed and not sealed yet. Rows live for milliseconds, so the table is
-- vacuumed often and at full speed.
CREATE TABLE crm.tail (
    batch bigint NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 1000000000
);

-- The order: the facts of a batch have the positions up to `last`. Its recorded time is when it was
-- written, or later where that would run backwards along the order or change a past answer.
CREATE TABLE crm.sealed (
    last        bigint      PRIMARY KEY,
    facts       integer     NOT NULL CHECK (facts > 0),
    batch       bigint      NOT NULL UNIQUE,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX sealed_recorded_at ON crm.sealed (recorded_at, last);

-- Each seal: up to which position, when it was made, and a hash over all that is sealed so far.
CREATE TABLE crm.seals (
    position  bigint      PRIMARY KEY,
    sealed_at timestamptz NOT NULL,
    hash      bytea       NOT NULL CHECK (octet_length(hash) = 32)
);

-- One row, locked by whoever seals: where the order ends, and up to when nothing can be added.
CREATE TABLE crm.head (
    only_one  boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    position  bigint      NOT NULL,
    hash      bytea       NOT NULL,
    closed_at timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO crm.head (position, hash, closed_at)
VALUES (0, decode(repeat('00', 32), 'hex'), '0001-01-01 00:00:00+00');

-- How far each consumer of the log has come, and the streams that it had to set aside.
CREATE TABLE crm.checkpoints (
    consumer text   PRIMARY KEY CHECK (octet_length(consumer) <= 200),
    position bigint NOT NULL CHECK (position >= 0)
);
CREATE TABLE crm.parked (
    consumer text   NOT NULL REFERENCES crm.checkpoints,
    kind     text   NOT NULL,
    stream   uuid   NOT NULL,
    position bigint NOT NULL,
    reason   text   NOT NULL CHECK (octet_length(reason) <= 2000),
    PRIMARY KEY (consumer, kind, stream)
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

-- What is recorded stays as it is, whoever asks and in whatever mode the session is.
CREATE FUNCTION crm.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is refused: the log is only ever added to',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '42501';
END $$;

DO $$
DECLARE guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['facts', 'commands', 'sealed', 'seals'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crm.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse()', guarded);
        EXECUTE format('ALTER TABLE crm.%I ENABLE ALWAYS TRIGGER append_only', guarded);
    END LOOP;
END $$;
