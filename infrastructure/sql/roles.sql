-- Who may do what: five groups without login, whose members are the logins of the host.
-- Applied on request and as often as you like. What these groups, or everybody, may do beyond what
-- is written here is taken back; what single logins were granted is left alone.

DO $$
DECLARE
    missing text;
    foreign_owned text;
BEGIN
    FOR missing IN
        SELECT wanted
        FROM unnest(ARRAY['crm_owner', 'crm_writer', 'crm_projector', 'crm_sealer', 'crm_auditor'])
            AS groups (wanted)
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to the whole server: another of its databases was first
        END;
    END LOOP;

    -- Whoever migrates gives the schema away, and goes on migrating as a member.
    IF NOT pg_has_role('crm_owner', 'USAGE') THEN
        GRANT crm_owner TO CURRENT_USER;
    END IF;
    ALTER SCHEMA crm OWNER TO crm_owner;
    FOR foreign_owned IN
        SELECT format('TABLE %s', oid::regclass) FROM pg_class
        WHERE relnamespace = 'crm'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
            AND relowner <> 'crm_owner'::regrole
        UNION ALL
        SELECT format('ROUTINE %s', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = 'crm'::regnamespace AND proowner <> 'crm_owner'::regrole
        UNION ALL
        SELECT format('TYPE %s', oid::regtype) FROM pg_type
        WHERE typrelid IN (
            SELECT oid FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'c'
        ) AND typowner <> 'crm_owner'::regrole
    LOOP
        EXECUTE format('ALTER %s OWNER TO crm_owner', foreign_owned);
    END LOOP;
END $$;

REVOKE ALL ON SCHEMA crm
    FROM PUBLIC, crm_writer, crm_projector, crm_sealer, crm_auditor;
REVOKE ALL ON ALL TABLES IN SCHEMA crm
    FROM PUBLIC, crm_writer, crm_projector, crm_sealer, crm_auditor;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA crm
    FROM PUBLIC, crm_writer, crm_projector, crm_sealer, crm_auditor;
REVOKE ALL ON ALL ROUTINES IN SCHEMA crm
    FROM PUBLIC, crm_writer, crm_projector, crm_sealer, crm_auditor;

GRANT USAGE ON SCHEMA crm TO crm_writer, crm_projector, crm_sealer, crm_auditor;
GRANT SELECT ON crm.schema_version, crm.tail, crm.sealed, crm.seals, crm.head
    TO crm_writer, crm_projector, crm_sealer;
GRANT SELECT ON crm.facts, crm.commands TO crm_writer, crm_projector;

-- The writer adds to the log. A column that is not named here is nobody's to fill.
GRANT USAGE ON SEQUENCE crm.batches TO crm_writer;
GRANT INSERT (
    batch, ordinal, kind, stream, version, slot, name, schema_version, effective_at, written_at,
    actor, reason, command_id, correlation_id, causation_id, policy, customer, payload, digest
) ON crm.facts TO crm_writer;
GRANT INSERT (command_id, digest, batch, facts) ON crm.commands TO crm_writer;
GRANT INSERT (batch) ON crm.tail TO crm_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.states TO crm_writer;

-- The sealer orders what is there: it sees times and digests, and nothing of what the facts say.
GRANT SELECT (batch, ordinal, written_at, digest) ON crm.facts TO crm_sealer;
GRANT DELETE ON crm.tail TO crm_sealer;
GRANT INSERT (last, facts, batch, recorded_at) ON crm.sealed TO crm_sealer;
GRANT INSERT (position, sealed_at, hash) ON crm.seals TO crm_sealer;
GRANT UPDATE (position, hash, closed_at) ON crm.head TO crm_sealer;
GRANT SELECT, INSERT (level, number, hash) ON crm.tree TO crm_sealer;

-- The projector reads the log and keeps what follows from it.
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.checkpoints, crm.parked, crm.answers TO crm_projector;

GRANT SELECT ON ALL TABLES IN SCHEMA crm TO crm_auditor;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA crm TO crm_auditor;
