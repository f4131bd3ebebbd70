package privacy

import (
	"context"
	"database/sql"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feiqian/feiqian/internal/id"
)

// noted is a transfer whose event has a note in it.
type noted struct{ transfer, note, group string }

// eraseAnnouncedNotes takes the notes out of the events of a customer's transfers, which are in the batches of the
// group that posted them.
func eraseAnnouncedNotes(ctx context.Context, tx *sql.Tx, name string) error {
	notes, err := readNotes(ctx, tx, name)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if err := n.erase(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (n noted) erase(ctx context.Context, tx *sql.Tx) error {
	batches, err := n.batches(ctx, tx)
	if err != nil {
		return err
	}
	for batch, items := range batches {
		without, err := n.without(items)
		if err != nil {
			return err
		}
		if without == items {
			continue
		}
		if _, err := tx.ExecContext(ctx, "UPDATE events SET items = $2 WHERE id = $1", batch, without); err != nil {
			return err
		}
	}
	return nil
}

// batches returns the batches of events of the transfer's group, by their ids.
func (n noted) batches(ctx context.Context, tx *sql.Tx) (map[string]string, error) {
	group := id.Group(n.group)
	rows, err := tx.QueryContext(ctx, "SELECT id, items FROM events WHERE id BETWEEN $1 AND $2",
		string(id.Member[id.Event](group, 0, 0)), string(id.Member[id.Event](group, id.MemberMax, id.MemberMax)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	batches := map[string]string{}
	for rows.Next() {
		var batch, items string
		if err := rows.Scan(&batch, &items); err != nil {
			return nil, err
		}
		batches[batch] = items
	}
	return batches, rows.Err()
}

// without returns a batch without the note of the transfer: the first one behind the name of the event's subject.
func (n noted) without(items string) (string, error) {
	subject := `"subject":"` + n.transfer + `"`
	note, err := jsontext.AppendQuote([]byte(`"note":`), n.note)
	if err != nil {
		return items, err
	}
	before, after, found := strings.Cut(items, subject)
	if !found {
		return items, nil
	}
	return before + subject + strings.Replace(after, string(note), `"note":""`, 1), nil
}

func readNotes(ctx context.Context, tx *sql.Tx, name string) ([]noted, error) {
	rows, err := tx.QueryContext(ctx, `SELECT w.id, w.note, t.group_id FROM wallet_transfers w
		JOIN transfers t ON t.id = w.entry_id || '.0' WHERE w.payer_id = $1 AND w.note <> ''`, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var notes []noted
	for rows.Next() {
		var n noted
		if err := rows.Scan(&n.transfer, &n.note, &n.group); err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	return notes, rows.Err()
}
