-- The Merkle tree over the order: the hash of each complete subtree of 256 positions (level 1), of
-- 65,536 (level 2) and so on, numbered from 0. Derived from the facts, so that a proof need not read
-- them all: each row may be deleted at any time, and nothing is believed because it stands here.

CREATE TABLE crm.tree (
    level  smallint NOT NULL,
    number bigint   NOT NULL,
    hash   bytea    NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, number)
);
