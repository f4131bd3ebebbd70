-- +goose Up
-- The audit trail, acts that wait for a second person, and wishes to be forgotten.

CREATE TABLE audit_records (
    id          ID PRIMARY KEY,
    at          BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    actor_kind  TEXT NOT NULL,
    actor       TEXT NOT NULL,
    credential  TEXT NOT NULL,
    device      TEXT NOT NULL,
    address     TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    proposal_id TEXT NOT NULL,
    reason      TEXT NOT NULL,
    before_json TEXT NOT NULL,
    after_json  TEXT NOT NULL,
    n           BIGINT UNIQUE,
    hash        BYTEA
);
CREATE INDEX audit_records_unchained ON audit_records (id) WHERE n IS NULL;
CREATE INDEX audit_records_by_time ON audit_records (at, id);
CREATE INDEX audit_records_by_actor ON audit_records (actor, at, id);
CREATE INDEX audit_records_by_kind ON audit_records (kind, at, id);
CREATE INDEX audit_records_by_subject ON audit_records (subject, at, id);
CREATE INDEX audit_records_by_address ON audit_records (address, at, id);

CREATE TABLE audit_heads (
    size       BIGINT PRIMARY KEY,
    hash       BYTEA NOT NULL,
    note       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Whose account it is: the same for all accounts of one human.
ALTER TABLE staff ADD COLUMN person TEXT NOT NULL DEFAULT '';
UPDATE staff SET person = email;

CREATE TABLE proposals (
    id          ID PRIMARY KEY,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    request     TEXT NOT NULL,
    before_json TEXT NOT NULL,
    after_json  TEXT NOT NULL,
    reason      TEXT NOT NULL,
    maker_id    TEXT NOT NULL,
    state       TEXT NOT NULL,
    checker_id  TEXT NOT NULL,
    remark      TEXT NOT NULL,
    result      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    decided_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX proposals_open ON proposals (id) WHERE state = 'open';
CREATE INDEX proposals_by_maker ON proposals (maker_id, id);

CREATE TABLE erasures (
    id           ID PRIMARY KEY,
    customer_id  TEXT NOT NULL UNIQUE,
    jurisdiction TEXT NOT NULL,
    reason       TEXT NOT NULL,
    state        TEXT NOT NULL,
    retain_until BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    finished_at  BIGINT NOT NULL
) CLUSTERED;
