-- Where long streams stood at some version, so that a command need not read all that happened before.
-- Derived from the facts, and of no use without them: each row may be deleted at any time.

CREATE TABLE crm.states (
    kind    text    NOT NULL,
    stream  uuid    NOT NULL,
    form    text    NOT NULL,
    version integer NOT NULL,
    tip     bytea   NOT NULL,
    body    bytea   NOT NULL,
    PRIMARY KEY (kind, stream)
);
