package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const receiptFormat = "feiqian-receipt/1"

// Receipt proves that an entry stands in the log. It is a document of its own: with the log's key
// anybody checks it offline (VerifyReceipt).
//
// Record is the entry's record exactly as the log hashed it (see leaf.go): items on lines, and
// behind them one hash for each line of the entry. Lines shows the lines that the holder may see.
type Receipt struct {
	Format     string        `json:"format"`
	Origin     string        `json:"origin"`
	Record     string        `json:"record"`
	Lines      []ReceiptLine `json:"lines"`
	LeafHash   tlog.Hash     `json:"leaf_hash"`
	LeafIndex  int64         `json:"leaf_index"`
	Proof      []tlog.Hash   `json:"proof"`
	Checkpoint string        `json:"checkpoint"`
	Key        string        `json:"key"`
}

// ReceiptLine is one line of an entry, with the salt under which the record holds its hash:
// SHA-256 over the salt's 16 bytes and the text.
type ReceiptLine struct {
	Number int    `json:"number"`
	Salt   string `json:"salt"` // base64url without padding
	Text   string `json:"text"`
}

// EveryLine is for a Receipt that shows the whole entry: for staff and auditors.
func EveryLine(*Transfer) bool { return true }

// LinesOf is for a Receipt that shows the lines of one owner's accounts.
func LinesOf(owner string) func(*Transfer) bool {
	return func(t *Transfer) bool { return t.Debit.Owner() == owner || t.Credit.Owner() == owner }
}

// Receipt returns the receipt of an entry; it shows the lines that sees accepts.
//
// Errors: ledger.entry_not_found; ledger.not_sequenced_yet (Unavailable, with RetryAfter) in the second
// before a checkpoint covers the entry.
func (l *Log) Receipt(ctx context.Context, entry id.Entry, sees func(*Transfer) bool) (Receipt, error) {
	lines, err := readEntry(ctx, l.db.Read, entry)
	if err != nil {
		return Receipt{}, fault.Wrap(l.db.Fault(err), "read entry "+string(entry))
	}
	if len(lines) == 0 {
		return Receipt{}, fault.New(fault.NotFound, "ledger.entry_not_found", "there is no such entry")
	}
	record, err := recordOf(lines)
	if err != nil {
		return Receipt{}, fault.Wrap(err, "hash entry "+string(entry))
	}
	index, checkpoint, err := l.placeOf(ctx, &lines[0])
	if err != nil {
		return Receipt{}, err
	}
	proof, err := tlog.ProveRecord(checkpoint.Size, index, storedHashes(ctx, l.db.Read))
	if err != nil {
		return Receipt{}, fault.Wrap(l.db.Fault(err), "prove entry "+string(entry))
	}
	r := Receipt{
		Format: receiptFormat, Origin: l.Origin(), Record: string(record), Lines: []ReceiptLine{},
		LeafHash: recordHash(record), LeafIndex: index, Proof: proof, Checkpoint: checkpoint.Note, Key: l.Key(),
	}
	for i := range lines {
		if sees(&lines[i]) {
			r.Lines = append(r.Lines, ReceiptLine{Number: i, Salt: lines[i].Salt, Text: string(lineText(i, &lines[i]))})
		}
	}
	return r, nil
}

// placeOf returns an entry's index in the log and the newest checkpoint, which must cover it.
func (l *Log) placeOf(ctx context.Context, first *Transfer) (int64, Checkpoint, error) {
	wait := fault.New(fault.Unavailable, "ledger.not_sequenced_yet", "the entry is not in a checkpoint yet").
		WithRetryAfter(time.Second)
	var firstLeaf sql.NullInt64
	err := l.db.Read.QueryRowContext(ctx, "SELECT first_leaf FROM commit_groups WHERE id = $1", string(first.Group)).
		Scan(&firstLeaf)
	if err != nil {
		return 0, Checkpoint{}, fault.Wrap(err, "read group "+string(first.Group))
	}
	newest, err := l.newest(ctx)
	index := firstLeaf.Int64 + first.Leaf
	if err == nil && (!firstLeaf.Valid || newest.Size <= index) {
		err = wait
	}
	return index, newest, err
}

// recordOf returns the record of an entry from its transfers, in order.
func recordOf(lines []Transfer) ([]byte, error) {
	hashes := make([][32]byte, len(lines))
	for i := range lines {
		hash, err := lineHash(i, &lines[i])
		if err != nil {
			return nil, fmt.Errorf("salt of %s: %w", lines[i].ID, err)
		}
		hashes[i] = hash
	}
	entry, _, err := splitTransferID(lines[0].ID)
	if err != nil {
		return nil, err
	}
	first := &lines[0]
	return leafText(leafHeader{
		ID: entry, Subject: first.Subject, PostedAt: first.PostedAt, BusinessOn: first.BusinessOn,
	}, hashes), nil
}

// splitTransferID returns a transfer's entry and its number there.
func splitTransferID(transfer string) (id.Entry, int, error) {
	entry, text, _ := strings.Cut(transfer, ".")
	number, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(number) != text || number < 0 || number >= LinesMax {
		return "", 0, errors.New("a transfer's id is its entry's, a dot and a number")
	}
	return id.Entry(entry), number, nil
}

const transferColumns = `id, code, subject, debit_account, credit_account, amount_minor, currency,
	debit_n, debit_balance, debit_prev, debit_jump, credit_n, credit_balance, credit_prev, credit_jump,
	posted_at, business_on, salt, group_id, leaf`

// readTransfers reads transfers by their ids, at most limit that are larger than after and smaller than before.
func readTransfers(ctx context.Context, q querier, after, before string, limit int) ([]Transfer, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+transferColumns+
		" FROM transfers WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3", after, before, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Transfer
	for rows.Next() {
		var t Transfer
		var postedAt int64
		err := rows.Scan(&t.ID, &t.Reason, &t.Subject, &t.Debit, &t.Credit, &t.Amount.Minor, &t.Amount.Currency,
			&t.DebitN, &t.DebitBalance, &t.DebitPrev, &t.DebitJump,
			&t.CreditN, &t.CreditBalance, &t.CreditPrev, &t.CreditJump,
			&postedAt, &t.BusinessOn, &t.Salt, &t.Group, &t.Leaf)
		if err != nil {
			return nil, err
		}
		t.PostedAt = clock.FromMicros(postedAt)
		out = append(out, t)
	}
	return out, rows.Err()
}

// readEntry reads an entry's transfers in the order of their numbers; '/' is the character behind '.'.
func readEntry(ctx context.Context, q querier, entry id.Entry) ([]Transfer, error) {
	lines, err := readTransfers(ctx, q, string(entry)+".", string(entry)+"/", LinesMax)
	if err != nil {
		return nil, err
	}
	return lines, sortLines(lines)
}

// sortLines puts an entry's lines in the order of their numbers (".10" sorts behind ".9") and checks
// that none is missing.
func sortLines(lines []Transfer) error {
	var bad error
	number := func(t *Transfer) int {
		_, n, err := splitTransferID(t.ID)
		bad = errors.Join(bad, err)
		return n
	}
	slices.SortFunc(lines, func(a, b Transfer) int { return cmp.Compare(number(&a), number(&b)) })
	for i := range lines {
		if n := number(&lines[i]); n != i && bad == nil {
			return fmt.Errorf("line %d is missing", i)
		}
	}
	return bad
}
