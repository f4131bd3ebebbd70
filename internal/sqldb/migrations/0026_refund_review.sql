-- +goose Up
-- Refunds that somebody looks at first: who asked, who decides, why, and what was said.

ALTER TABLE refunds ADD COLUMN origin TEXT NOT NULL DEFAULT 'merchant';
ALTER TABLE refunds ADD COLUMN reviewer TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN review_reasons TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN review_note TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN decided_by TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN completed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN review_key TEXT;
UPDATE refunds SET completed_at = created_at;
CREATE UNIQUE INDEX refunds_in_review ON refunds (review_key);
CREATE INDEX refunds_to_review ON refunds (reviewer, id) WHERE state = 'in_review';

CREATE TABLE refund_rules (
    id                   ID PRIMARY KEY,
    payer_requests       TEXT NOT NULL,
    automatic_max_minor  BIGINT NOT NULL,
    automatic_within     BIGINT NOT NULL,
    review_above_minor   BIGINT NOT NULL,
    operator_above_minor BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL
) CLUSTERED;
