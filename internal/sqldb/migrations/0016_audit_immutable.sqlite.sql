-- +goose Up
-- A record stays as it was written; the sequencer gives it its place in the chain, once.
-- +goose StatementBegin
CREATE TRIGGER audit_records_no_update BEFORE UPDATE ON audit_records
WHEN OLD.n IS NOT NULL OR NEW.n IS NULL OR NEW.hash IS NULL OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.kind <> OLD.kind
    OR NEW.actor_kind <> OLD.actor_kind OR NEW.actor <> OLD.actor OR NEW.credential <> OLD.credential
    OR NEW.device <> OLD.device OR NEW.address <> OLD.address OR NEW.request_id <> OLD.request_id
    OR NEW.subject <> OLD.subject OR NEW.proposal_id <> OLD.proposal_id OR NEW.reason <> OLD.reason
    OR NEW.before_json <> OLD.before_json OR NEW.after_json <> OLD.after_json
BEGIN SELECT RAISE(ABORT, 'rows of audit_records are immutable'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_records_no_delete BEFORE DELETE ON audit_records
BEGIN SELECT RAISE(ABORT, 'rows of audit_records are immutable'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_heads_no_update BEFORE UPDATE ON audit_heads
BEGIN SELECT RAISE(ABORT, 'rows of audit_heads are immutable'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_heads_no_delete BEFORE DELETE ON audit_heads
BEGIN SELECT RAISE(ABORT, 'rows of audit_heads are immutable'); END;
-- +goose StatementEnd
