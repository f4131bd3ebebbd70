package ledger

import (
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// HoldState says where a hold stands.
type HoldState string

const (
	// Held money is reserved. Who placed the hold ends it: by capture, by release, and when its time is over.
	Held HoldState = "held"
	// Captured holds ended after a posting, of the whole or a part. Final.
	Captured HoldState = "captured"
	// Released holds ended in time without a posting. Final.
	Released HoldState = "released"
	// Expired holds ended late without a posting. Final.
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
		commit.Int("amount_minor", func(h *Hold) *int64 { return &h.Amount.Minor }).Mutable(),
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

// CaptureHold posts an entry out of the hold: what it moves from the hold's debit to its credit account, some of what
// is left and no more than all. The last capture ends the hold: what was not captured is available again. Errors:
// ledger.hold_not_found, ledger.hold_ended, ledger.hold_exceeded, and those of Post.
func (l *Ledger) CaptureHold(tx *commit.Tx, hold id.Hold, e Entry, last bool) error {
	h, err := l.heldInTime(tx, hold)
	if err != nil {
		return err
	}
	var moved int64
	for _, line := range e.Lines {
		if line.Debit == h.Debit && line.Credit == h.Credit {
			moved += line.Amount.Minor
		}
	}
	left := h.Amount.Minor - h.CapturedMinor
	if moved > left || moved <= 0 {
		return fault.New(fault.Conflict, "ledger.hold_exceeded", "a capture takes some of the hold and no more than all")
	}
	h.CapturedMinor += moved
	freed := moved
	if last || moved == left {
		h.State, h.EndedAt, freed = Captured, tx.Now(), left
	}
	if err := l.reserve(tx, &h, -freed); err != nil {
		return err
	}
	l.holds.Put(tx, h)
	return l.Post(tx, e)
}

// RaiseHold reserves more under the same hold. Errors: ledger.hold_not_found, ledger.hold_ended, and those of Post.
func (l *Ledger) RaiseHold(tx *commit.Tx, hold id.Hold, by money.Amount) error {
	h, err := l.heldInTime(tx, hold)
	if err != nil {
		return err
	}
	if err := by.CheckPositive(); err != nil {
		return err
	}
	h.Amount.Minor += by.Minor
	if err := l.reserve(tx, &h, by.Minor); err != nil {
		return fault.Wrap(err, "hold "+string(hold))
	}
	l.holds.Put(tx, h)
	return nil
}

// ReleaseHold ends a hold without a further posting, also when its time is over. Errors: ledger.hold_not_found,
// ledger.hold_ended.
func (l *Ledger) ReleaseHold(tx *commit.Tx, hold id.Hold) error {
	h, err := l.held(tx, hold)
	if err != nil {
		return err
	}
	switch {
	case h.CapturedMinor > 0:
		h.State = Captured
	case h.ExpiresAt.After(tx.Now()):
		h.State = Released
	default:
		h.State = Expired
	}
	h.EndedAt = tx.Now()
	if err := l.reserve(tx, &h, h.CapturedMinor-h.Amount.Minor); err != nil {
		return err
	}
	l.holds.Put(tx, h)
	return nil
}

func (l *Ledger) held(tx *commit.Tx, hold id.Hold) (Hold, error) {
	h, found, err := l.holds.Get(tx, l.HoldKey(hold))
	switch {
	case err != nil:
		return h, err
	case !found:
		return h, fault.New(fault.NotFound, "ledger.hold_not_found", "there is no such hold")
	case h.State != Held:
		return h, holdEnded()
	}
	return h, nil
}

func (l *Ledger) heldInTime(tx *commit.Tx, hold id.Hold) (Hold, error) {
	h, err := l.held(tx, hold)
	if err == nil && !h.ExpiresAt.After(tx.Now()) {
		return h, holdEnded()
	}
	return h, err
}

func holdEnded() error { return fault.New(fault.Conflict, "ledger.hold_ended", "the hold has ended") }
