-- +goose Up
-- Payments by bank card: the attempt that pays or has paid, and the card as merchant and payer see it. Refunds of them
-- go back by attempts of their own; sources says where a refund's money came from, so that a refused one goes back there.

ALTER TABLE payments ADD COLUMN attempt_id TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN card TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN original_id TEXT NOT NULL DEFAULT '';
CREATE INDEX attempts_by_subject ON attempts (subject, id);
ALTER TABLE refunds ADD COLUMN attempt_id TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN decline_code TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN sources TEXT NOT NULL DEFAULT '';
