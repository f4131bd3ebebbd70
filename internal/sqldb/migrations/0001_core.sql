-- +goose Up
-- Portable SQL for every engine; two words are the dialect's: ID is TEXT that sorts by bytes, CLUSTERED keeps
-- rows in the order of their key where the engine can (fewer pages are touched by a row).
-- Instants are microseconds since 1970 UTC, amounts whole minor units.

CREATE TABLE commit_groups (
    id           ID PRIMARY KEY,
    committed_at BIGINT NOT NULL,
    leaf_count   BIGINT NOT NULL,
    leaves       BYTEA,
    first_leaf   BIGINT
);
CREATE INDEX commit_groups_unsequenced ON commit_groups (id) WHERE first_leaf IS NULL AND leaf_count > 0;
CREATE INDEX commit_groups_sequenced ON commit_groups (first_leaf) WHERE first_leaf IS NOT NULL;

CREATE TABLE leases (
    name       ID PRIMARY KEY,
    holder     TEXT NOT NULL,
    expires_at BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE idempotency_keys (
    id          ID PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status      BIGINT NOT NULL,
    event_id    TEXT NOT NULL,
    body        TEXT NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE accounts (
    id              ID PRIMARY KEY,
    code            TEXT NOT NULL,
    currency        TEXT NOT NULL,
    owner           TEXT NOT NULL,
    state           TEXT NOT NULL,
    protected       BOOLEAN NOT NULL,
    credit_line     BIGINT NOT NULL CHECK (credit_line >= 0),
    debits_posted   BIGINT NOT NULL CHECK (debits_posted >= 0),
    credits_posted  BIGINT NOT NULL CHECK (credits_posted >= 0),
    debits_pending  BIGINT NOT NULL CHECK (debits_pending >= 0),
    credits_pending BIGINT NOT NULL CHECK (credits_pending >= 0),
    postings        BIGINT NOT NULL,
    path            TEXT NOT NULL,
    last_posted_at  BIGINT NOT NULL,
    created_at      BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE transfers (
    id             ID PRIMARY KEY,
    code           TEXT NOT NULL,
    subject        TEXT NOT NULL,
    debit_account  TEXT NOT NULL,
    credit_account TEXT NOT NULL,
    amount_minor   BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency       TEXT NOT NULL,
    debit_n        BIGINT NOT NULL,
    debit_balance  BIGINT NOT NULL,
    debit_prev     TEXT NOT NULL,
    debit_jump     TEXT NOT NULL,
    credit_n       BIGINT NOT NULL,
    credit_balance BIGINT NOT NULL,
    credit_prev    TEXT NOT NULL,
    credit_jump    TEXT NOT NULL,
    posted_at      BIGINT NOT NULL,
    business_on    TEXT NOT NULL,
    salt           TEXT NOT NULL,
    group_id       TEXT NOT NULL,
    leaf           BIGINT NOT NULL,
    CHECK (debit_account <> credit_account)
) CLUSTERED;

CREATE TABLE holds (
    id             ID PRIMARY KEY,
    debit_account  TEXT NOT NULL,
    credit_account TEXT NOT NULL,
    amount_minor   BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    captured_minor BIGINT NOT NULL CHECK (captured_minor BETWEEN 0 AND amount_minor),
    currency       TEXT NOT NULL,
    state          TEXT NOT NULL,
    subject        TEXT NOT NULL,
    expires_at     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    ended_at       BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX holds_due ON holds (expires_at) WHERE state = 'held';

CREATE TABLE log_hashes (
    chunk  BIGINT PRIMARY KEY,
    hashes BYTEA NOT NULL
);

CREATE TABLE log_checkpoints (
    size       BIGINT PRIMARY KEY,
    root       BYTEA NOT NULL,
    note       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE events (
    id         ID PRIMARY KEY,
    owner      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    items      TEXT NOT NULL
);
CREATE INDEX events_by_owner ON events (owner, id) WHERE owner <> '';

CREATE TABLE jobs (
    id         ID PRIMARY KEY,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    payload    TEXT NOT NULL,
    state      TEXT NOT NULL,
    run_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    leased_by  TEXT NOT NULL,
    last_error TEXT NOT NULL,
    created_at BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'ready';
CREATE INDEX jobs_dead ON jobs (id) WHERE state = 'dead';

CREATE TABLE customers (
    id            ID PRIMARY KEY,
    phone         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    failures      BIGINT NOT NULL,
    locked_until  BIGINT NOT NULL,
    state         TEXT NOT NULL,
    created_at    BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE pins (
    id           ID PRIMARY KEY,
    mac          TEXT NOT NULL,
    failures     BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE devices (
    id             ID PRIMARY KEY,
    customer_id    TEXT NOT NULL,
    handle         TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    code_step      BIGINT NOT NULL,
    code_n         BIGINT NOT NULL,
    state          TEXT NOT NULL,
    created_at     BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX devices_by_customer ON devices (customer_id, id);

CREATE TABLE merchants (
    id              ID PRIMARY KEY,
    name            TEXT NOT NULL,
    fee_bps         BIGINT NOT NULL CHECK (fee_bps BETWEEN 0 AND 10000),
    fee_fixed_minor BIGINT NOT NULL CHECK (fee_fixed_minor >= 0),
    advance_minor   BIGINT NOT NULL CHECK (advance_minor >= 0),
    state           TEXT NOT NULL,
    created_at      BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE api_keys (
    id          ID PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    masked      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX api_keys_by_merchant ON api_keys (merchant_id, id);

CREATE TABLE staff (
    id            ID PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    failures      BIGINT NOT NULL,
    locked_until  BIGINT NOT NULL,
    state         TEXT NOT NULL,
    created_at    BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE sessions (
    id           ID PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    subject_kind TEXT NOT NULL,
    subject_id   TEXT NOT NULL,
    device_id    TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX sessions_by_subject ON sessions (subject_id, id);

CREATE TABLE bank_accounts (
    id          ID PRIMARY KEY,
    customer_id TEXT NOT NULL,
    channel     TEXT NOT NULL,
    bank_token  TEXT NOT NULL,
    bank_name   TEXT NOT NULL,
    masked      TEXT NOT NULL,
    currency    TEXT NOT NULL,
    state       TEXT NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX bank_accounts_by_customer ON bank_accounts (customer_id, id);

CREATE TABLE payments (
    id                 ID PRIMARY KEY,
    merchant_id        TEXT NOT NULL,
    reference          TEXT NOT NULL,
    reference_key      TEXT UNIQUE,
    customer_id        TEXT NOT NULL,
    device_id          TEXT NOT NULL,
    flow               TEXT NOT NULL,
    amount_minor       BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency           TEXT NOT NULL,
    fee_minor          BIGINT NOT NULL CHECK (fee_minor BETWEEN 0 AND amount_minor),
    refunded_minor     BIGINT NOT NULL CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    fee_returned_minor BIGINT NOT NULL CHECK (fee_returned_minor BETWEEN 0 AND fee_minor),
    state              TEXT NOT NULL,
    decline_code       TEXT NOT NULL,
    description        TEXT NOT NULL,
    entry_id           TEXT NOT NULL,
    expires_at         BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    completed_at       BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX payments_by_merchant ON payments (merchant_id, id);
CREATE INDEX payments_due ON payments (expires_at) WHERE state = 'created';

CREATE TABLE refunds (
    id                 ID PRIMARY KEY,
    payment_id         TEXT NOT NULL,
    merchant_id        TEXT NOT NULL,
    reference          TEXT NOT NULL,
    reference_key      TEXT UNIQUE,
    amount_minor       BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency           TEXT NOT NULL,
    fee_returned_minor BIGINT NOT NULL CHECK (fee_returned_minor >= 0),
    reason             TEXT NOT NULL,
    state              TEXT NOT NULL,
    entry_id           TEXT NOT NULL,
    created_at         BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX refunds_by_payment ON refunds (payment_id, id);
CREATE INDEX refunds_by_merchant ON refunds (merchant_id, id);

CREATE TABLE wallet_transfers (
    id           ID PRIMARY KEY,
    payer_id     TEXT NOT NULL,
    payee_id     TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency     TEXT NOT NULL,
    note         TEXT NOT NULL,
    state        TEXT NOT NULL,
    entry_id     TEXT NOT NULL,
    created_at   BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE top_ups (
    id              ID PRIMARY KEY,
    customer_id     TEXT NOT NULL,
    bank_account_id TEXT NOT NULL,
    amount_minor    BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency        TEXT NOT NULL,
    state           TEXT NOT NULL,
    decline_code    TEXT NOT NULL,
    attempt_id      TEXT NOT NULL,
    entry_id        TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    completed_at    BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX top_ups_by_customer ON top_ups (customer_id, id);

CREATE TABLE payouts (
    id              ID PRIMARY KEY,
    customer_id     TEXT NOT NULL,
    bank_account_id TEXT NOT NULL,
    amount_minor    BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency        TEXT NOT NULL,
    state           TEXT NOT NULL,
    decline_code    TEXT NOT NULL,
    attempt_id      TEXT NOT NULL,
    entry_id        TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    completed_at    BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX payouts_by_customer ON payouts (customer_id, id);

CREATE TABLE attempts (
    id                ID PRIMARY KEY,
    kind              TEXT NOT NULL,
    subject           TEXT NOT NULL,
    customer_id       TEXT NOT NULL,
    channel           TEXT NOT NULL,
    bank_token        TEXT NOT NULL,
    amount_minor      BIGINT NOT NULL CHECK (amount_minor BETWEEN 1 AND 9007199254740991),
    currency          TEXT NOT NULL,
    state             TEXT NOT NULL,
    decline_code      TEXT NOT NULL,
    channel_reference TEXT NOT NULL,
    problem           TEXT NOT NULL,
    queries           BIGINT NOT NULL,
    query_at          BIGINT NOT NULL,
    sent_at           BIGINT NOT NULL,
    stripe            TEXT NOT NULL,
    arrived_at        BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX attempts_problem ON attempts (problem) WHERE problem <> '';
CREATE INDEX attempts_open ON attempts (query_at) WHERE state IN ('created', 'sent', 'pending', 'unknown');

CREATE TABLE channel_cursors (
    id         ID PRIMARY KEY,
    cursor     TEXT NOT NULL,
    updated_at BIGINT NOT NULL
) CLUSTERED;
