-- +goose Up
-- A record stays as it was written; the sequencer gives it its place in the chain, once.
-- +goose StatementBegin
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.n IS NOT NULL OR NEW.n IS NULL OR NEW.hash IS NULL OR
        (NEW.id, NEW.at, NEW.kind, NEW.actor_kind, NEW.actor, NEW.credential, NEW.device, NEW.address, NEW.request_id,
            NEW.subject, NEW.proposal_id, NEW.reason, NEW.before_json, NEW.after_json) <>
        (OLD.id, OLD.at, OLD.kind, OLD.actor_kind, OLD.actor, OLD.credential, OLD.device, OLD.address, OLD.request_id,
            OLD.subject, OLD.proposal_id, OLD.reason, OLD.before_json, OLD.after_json) THEN
        RAISE EXCEPTION 'rows of % are immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_records_place BEFORE UPDATE ON audit_records FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_records_immutable BEFORE DELETE ON audit_records FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_records_whole BEFORE TRUNCATE ON audit_records FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_heads_immutable BEFORE UPDATE OR DELETE ON audit_heads FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_heads_whole BEFORE TRUNCATE ON audit_heads FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
