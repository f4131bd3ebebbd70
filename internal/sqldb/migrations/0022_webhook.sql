-- +goose Up
-- Merchants' endpoints for events. secrets is sealed: the signing secrets with their ends. url_key is unique among a
-- merchant's endpoints that are not deleted.
CREATE TABLE webhook_endpoints (
    id             ID PRIMARY KEY,
    merchant_id    TEXT NOT NULL,
    url            TEXT NOT NULL,
    url_key        TEXT UNIQUE,
    kinds          TEXT NOT NULL,
    api_version    TEXT NOT NULL,
    description    TEXT NOT NULL,
    state          TEXT NOT NULL,
    reason         TEXT NOT NULL,
    secrets        BYTEA NOT NULL,
    previous_until BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX webhook_endpoints_by_merchant ON webhook_endpoints (merchant_id, id);

-- How far each endpoint is: the last commit whose events were all tried once. Whoever holds the lease delivers.
CREATE TABLE webhook_cursors (
    id            ID PRIMARY KEY,
    merchant_id   TEXT NOT NULL,
    position      TEXT NOT NULL,
    failing_since BIGINT NOT NULL,
    leased_by     TEXT NOT NULL,
    leased_until  BIGINT NOT NULL
) CLUSTERED;

-- What is to be sent again: after a failure, or because the merchant asked.
CREATE TABLE webhook_retries (
    id          ID PRIMARY KEY,
    endpoint_id TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    cause       TEXT NOT NULL,
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX webhook_retries_due ON webhook_retries (endpoint_id, due_at);

-- The log: one row a try.
CREATE TABLE webhook_deliveries (
    id          ID PRIMARY KEY,
    endpoint_id TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    cause       TEXT NOT NULL,
    attempt     BIGINT NOT NULL,
    state       TEXT NOT NULL,
    status      BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    problem     TEXT NOT NULL,
    answer      TEXT NOT NULL,
    next_at     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
) CLUSTERED;
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (endpoint_id, event_id);
