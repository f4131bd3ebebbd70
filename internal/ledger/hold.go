package ledger

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// HoldState says where a hold stands.
type HoldState string

const (
	// Held money is reserved; the platform acts next: capture, release, or expiry by the sweeper.
	Held HoldState = "held"
	// Captured holds ended with a posting, of the whole or a part. Final.
	Captured HoldState = "captured"
	// Released holds ended by will, without a posting. Final.
	Released HoldState = "released"
	// Expired holds ended by time. Final.
	Expired HoldState = "expired"
)

// Hold is a reserved part of the debit account for a later posting to the credit account: it lowers
// what is available and posts nothing.
type Hold struct {
	ID            id.Hold
	Debit         AccountID
	Credit        AccountID
	Amount        money.Amount
	CapturedMinor int64
	State         HoldState
	Subject       string
	ExpiresAt     time.Time
	CreatedAt     time.Time
	EndedAt       time.Time
}

func holdsTable(c *commit.Committer) *commit.Table[Hold] {
	return commit.AddTable(c, "holds",
		commit.Text("id", func(h *Hold) *string { return (*string)(&h.ID) }),
		commit.Text("debit_account", func(h *Hold) *string { return (*string)(&h.Debit) }),
		commit.Text("credit_account", func(h *Hold) *string { return (*string)(&h.Credit) }),
		commit.Int("amount_minor", func(h *Hold) *int64 { return &h.Amount.Minor }),
		commit.Int("captured_minor", func(h *Hold) *int64 { return &h.CapturedMinor }).Mutable(),
		commit.Text("currency", func(h *Hold) *string { return (*string)(&h.Amount.Currency) }),
		commit.Text("state", func(h *Hold) *string { return (*string)(&h.State) }).Mutable(),
		commit.Text("subject", func(h *Hold) *string { return &h.Subject }),
		commit.Instant("expires_at", func(h *Hold) *time.Time { return &h.ExpiresAt }),
		commit.Instant("created_at", func(h *Hold) *time.Time { return &h.CreatedAt }),
		commit.Instant("ended_at", func(h *Hold) *time.Time { return &h.EndedAt }).Mutable(),
	)
}

// HoldKey returns the key that a decision declares to end a hold, besides its two accounts.
func (l *Ledger) HoldKey(hold id.Hold) commit.Key { return l.holds.Key(string(hold)) }

// PlaceHold reserves the amount on the debit account. Its accounts must be declared. Errors as of Post.
func (l *Ledger) PlaceHold(tx *commit.Tx, h Hold) error {
	line := Line{Reason: "hold", Debit: h.Debit, Credit: h.Credit, Amount: h.Amount}
	if err := l.checkLine(line); err != nil {
		return fault.Wrap(err, "hold "+string(h.ID))
	}
	if err := h.Amount.CheckPositive(); err != nil {
		return err
	}
	if !h.ExpiresAt.After(tx.Now()) {
		return fault.New(fault.Invalid, "ledger.hold_expired", "a hold must end in the future")
	}
	h.State, h.CapturedMinor, h.CreatedAt, h.EndedAt = Held, 0, tx.Now(), time.Time{}
	if err := l.reserve(tx, &h, h.Amount.Minor); err != nil {
		return fault.Wrap(err, "hold "+string(h.ID))
	}
	l.holds.Put(tx, h)
	return nil
}

// reserve changes the pending sums of both accounts by delta.
func (l *Ledger) reserve(tx *commit.Tx, h *Hold, delta int64) error {
	debit, err := l.load(tx, h.Debit)
	if err != nil {
		return err
	}
	credit, err := l.load(tx, h.Credit)
	if err != nil {
		return err
	}
	if delta > 0 {
		if err := open(&debit, &credit); err != nil {
			return err
		}
	}
	debit.DebitsPending += delta
	credit.CreditsPending += delta
	if delta > 0 {
		if err := debit.check(l.chart[debit.Code].Side); err != nil {
			return err
		}
	}
	l.accounts.Put(tx, debit)
	l.accounts.Put(tx, credit)
	return nil
}

// CaptureHold ends a hold with the given entry, which must move no more than the hold from its debit
// to its credit account; what is not captured is available again. Errors: ledger.hold_ended,
// ledger.hold_exceeded, and those of Post.
func (l *Ledger) CaptureHold(tx *commit.Tx, hold id.Hold, e Entry) error {
	h, err := l.endHold(tx, hold, Captured)
	if err != nil {
		return err
	}
	for _, line := range e.Lines {
		if line.Debit == h.Debit && line.Credit == h.Credit {
			h.CapturedMinor += line.Amount.Minor
		}
	}
	if h.CapturedMinor > h.Amount.Minor || h.CapturedMinor <= 0 {
		return fault.New(fault.Conflict, "ledger.hold_exceeded", "a capture takes some of the hold and no more than all")
	}
	l.holds.Put(tx, h)
	return l.Post(tx, e)
}

// ReleaseHold ends a hold without a posting. Errors: ledger.hold_ended.
func (l *Ledger) ReleaseHold(tx *commit.Tx, hold id.Hold) error {
	h, err := l.endHold(tx, hold, Released)
	if err != nil {
		return err
	}
	l.holds.Put(tx, h)
	return nil
}

func (l *Ledger) endHold(tx *commit.Tx, hold id.Hold, state HoldState) (Hold, error) {
	h, found, err := l.holds.Get(tx, l.HoldKey(hold))
	if err != nil {
		return h, err
	}
	if !found {
		return h, fault.New(fault.NotFound, "ledger.hold_not_found", "there is no such hold")
	}
	due := !h.ExpiresAt.After(tx.Now())
	if h.State != Held || (due && state == Captured) || (!due && state == Expired) {
		return h, fault.New(fault.Conflict, "ledger.hold_ended", "the hold has ended or its time is not yet over")
	}
	h.State, h.EndedAt = state, tx.Now()
	return h, l.reserve(tx, &h, -h.Amount.Minor)
}

const expireBatch = 200

// ExpireHolds ends the holds whose time is over, up to a batch, and returns how many it ended. Run it again
// until it returns 0.
func (l *Ledger) ExpireHolds(ctx context.Context, now time.Time) (int, error) {
	rows, err := l.db.Read.QueryContext(
		ctx,
		`SELECT id, debit_account, credit_account FROM holds WHERE state = 'held' AND expires_at <= $1
			ORDER BY expires_at LIMIT $2`,
		clock.Micros(now),
		expireBatch,
	)
	if err != nil {
		return 0, fault.Wrap(err, "find expired holds")
	}
	defer rows.Close()
	var due []Hold
	for rows.Next() {
		var h Hold
		if err := rows.Scan(&h.ID, &h.Debit, &h.Credit); err != nil {
			return 0, fault.Wrap(err, "find expired holds")
		}
		due = append(due, h)
	}
	if err := rows.Err(); err != nil {
		return 0, fault.Wrap(err, "find expired holds")
	}
	for _, h := range due {
		keys := append(l.Keys(h.Debit, h.Credit), l.HoldKey(h.ID))
		err := l.committer.Do(ctx, keys, func(tx *commit.Tx) error {
			ended, err := l.endHold(tx, h.ID, Expired)
			if err != nil {
				return err
			}
			l.holds.Put(tx, ended)
			return nil
		})
		if err != nil && fault.CodeOf(err) != "ledger.hold_ended" {
			return 0, err
		}
	}
	return len(due), nil
}
