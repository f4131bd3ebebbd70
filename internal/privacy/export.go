package privacy

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

// Begin records an export of a subject's data and checks that there is such a subject. Write the export then.
// Errors: party.bad_reason, party.customer_not_found, party.user_not_found, onboarding.not_found,
// privacy.person_not_found (nobody of this name is in the application).
func (p *Privacy) Begin(ctx context.Context, s Subject, reason string) error {
	reason, err := party.ParseReason(reason)
	if err != nil {
		return err
	}
	if err := policyOf(s.Kind).exists(ctx, p, s.ID); err != nil {
		return err
	}
	if s.Person != "" {
		if err := p.isNamed(ctx, s); err != nil {
			return err
		}
	}
	return p.Trail.Write(ctx, audit.Act{Kind: string(s.Kind) + ".exported", Subject: s.ID, Reason: reason})
}

// Export writes all that is held about a subject as one JSON object, row by row, on one snapshot. It reads whole
// tables: payments are not kept in an order by payer.
func (p *Privacy) Export(ctx context.Context, w io.Writer, s Subject) error {
	tx, err := p.DB.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fault.Wrap(p.DB.Fault(err), "export "+s.ID)
	}
	defer tx.Rollback()
	sections := Sections(s.Kind)
	if s.Person != "" {
		sections = personSections()
	}
	_, err = fmt.Fprintf(w, "{\"subject\":%q,\"made_at\":%q", s.ID, p.Clock.Now().Format(time.RFC3339Nano))
	for _, section := range sections {
		if err == nil {
			err = p.writeSection(ctx, w, tx, section, s)
		}
	}
	if err == nil {
		_, err = io.WriteString(w, "\n}\n")
	}
	return fault.Wrap(p.DB.Fault(err), "export "+s.ID)
}

func (p *Privacy) writeSection(ctx context.Context, w io.Writer, tx *sql.Tx, section Section, s Subject) error {
	rows, err := tx.QueryContext(ctx, section.Query, s.ID)
	if err != nil {
		return fmt.Errorf("%s: %w", section.Name, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, ",\n%q:[", section.Name); err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	separator := "\n"
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		text, err := p.rowText(ctx, section, s, columns, values)
		if err != nil {
			return fmt.Errorf("%s: %w", section.Name, err)
		}
		if text == nil {
			continue
		}
		if _, err := w.Write(append([]byte(separator), text...)); err != nil {
			return err
		}
		separator = ",\n"
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = io.WriteString(w, "]")
	return err
}

// rowText returns one row as JSON, nil for one that is not shown.
func (p *Privacy) rowText(
	ctx context.Context, section Section, s Subject, columns []string, values []any,
) ([]byte, error) {
	object := make(map[string]any, len(columns))
	raw := map[string]any{}
	for i, column := range columns {
		if raw[column] = values[i]; column != "sealed" {
			object[column] = shown(column, values[i])
		}
	}
	if section.open != nil {
		if there, err := section.open(ctx, p, s, raw, object); err != nil || !there {
			return nil, err
		}
	}
	return json.Marshal(object, json.Deterministic(true))
}

// shown returns a value as the export shows it.
func shown(column string, value any) any {
	switch value := value.(type) {
	case int64:
		if !strings.HasSuffix(column, "_at") {
			return value
		}
		if value == 0 {
			return nil
		}
		return clock.FromMicros(value).Format(time.RFC3339Nano)
	case []byte: // how one driver hands texts out
		return string(value)
	}
	return value
}
