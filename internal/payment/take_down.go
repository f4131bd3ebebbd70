package payment

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// TakeDownReason says why staff took something of a merchant's down. Merchants see it, payers don't.
type TakeDownReason string

// The reasons.
const (
	BecauseFraud         TakeDownReason = "fraud"
	BecauseForbidden     TakeDownReason = "forbidden_goods"
	BecauseImpersonation TakeDownReason = "impersonation"
	BecauseLegalOrder    TakeDownReason = "legal_order"
	BecauseOther         TakeDownReason = "other"
)

// TakeDown keeps payers from paying a payment, or by a payment link or a code of a merchant's, until it is lifted. What
// was paid already stays paid. There is one row for each subject; what was before is in the audit trail.
type TakeDown struct {
	// Subject is the id of the payment, the link or the code.
	Subject  string         `json:"subject" example:"plk_01kanq4j3qf8yt0v5d7r2m9xce"`
	Merchant id.Merchant    `json:"merchant_id"`
	Reason   TakeDownReason `json:"reason" enum:"fraud,forbidden_goods,impersonation,legal_order,other"`
	TakenAt  time.Time      `json:"taken_at"`
	LiftedAt time.Time      `json:"lifted_at,omitzero"`
}

// StaffTakeDown is a take-down with what staff know of it.
type StaffTakeDown struct {
	TakeDown

	Note string   `json:"note"`
	By   id.Staff `json:"taken_by"`
}

func takeDownsTable(c *commit.Committer) *commit.Table[StaffTakeDown] {
	return commit.AddTable(c, "take_downs",
		commit.Text("id", func(r *StaffTakeDown) *string { return &r.Subject }),
		commit.Text("merchant_id", func(r *StaffTakeDown) *string { return (*string)(&r.Merchant) }),
		commit.Text("reason", func(r *StaffTakeDown) *string { return (*string)(&r.Reason) }).Mutable(),
		commit.Text("note", func(r *StaffTakeDown) *string { return &r.Note }).Mutable(),
		commit.Text("taken_by", func(r *StaffTakeDown) *string { return (*string)(&r.By) }).Mutable(),
		commit.Instant("taken_at", func(r *StaffTakeDown) *time.Time { return &r.TakenAt }).Mutable(),
		commit.Instant("lifted_at", func(r *StaffTakeDown) *time.Time { return &r.LiftedAt }).Mutable(),
	)
}

// TakenDown is what payers are refused with. Errors: payment.taken_down.
func TakenDown() error {
	return fault.New(fault.Conflict, "payment.taken_down", "the operator has taken this down: it can't be paid").
		WithHint("nothing was charged; ask the merchant")
}

// takenDownIn refuses, within a decision that declared its row, what is taken down.
func (p *Payments) takenDownIn(tx *commit.Tx, subject string) error {
	row, found, err := p.takeDowns.Get(tx, p.takeDowns.Key(subject))
	if err == nil && found && row.LiftedAt.IsZero() {
		return TakenDown()
	}
	return err
}

// IsTakenDown reports why a subject is taken down; "" if it is not.
func (p *Payments) IsTakenDown(ctx context.Context, subject string) (TakeDownReason, error) {
	var reason TakeDownReason
	err := p.DB.Read.QueryRowContext(ctx, "SELECT reason FROM take_downs WHERE id = $1 AND lifted_at = 0", subject).
		Scan(&reason)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return reason, fault.Wrap(err, "look whether "+subject+" is taken down")
}

// TakeDownOrder asks to take something down. Kind begins the names of its events: payment, payment_link or qr_code.
type TakeDownOrder struct {
	Subject  string
	Kind     string
	Merchant id.Merchant
	Reason   TakeDownReason
	Note     string
	By       id.Staff
}

// TakeDown takes something of a merchant's down, or says anew why. Errors: party.bad_reason.
func (p *Payments) TakeDown(ctx context.Context, order TakeDownOrder) (StaffTakeDown, error) {
	note, err := party.ParseReason(order.Note)
	if err != nil {
		return StaffTakeDown{}, fault.From(err).WithParam("note")
	}
	row := StaffTakeDown{
		TakeDown: TakeDown{Subject: order.Subject, Merchant: order.Merchant, Reason: order.Reason}, Note: note, By: order.By,
	}
	key := p.takeDowns.Key(order.Subject)
	err = p.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		before, found, err := p.takeDowns.Get(tx, key)
		if err != nil {
			return err
		}
		row.TakenAt = tx.Now()
		p.takeDowns.Put(tx, row)
		act := audit.Act{Kind: order.Kind + ".taken_down", Subject: order.Subject, Reason: note, After: row}
		if found {
			act.Before = before
		}
		if err := p.Trail.Add(ctx, tx, act); err != nil {
			return err
		}
		return p.Outbox.Add(tx, outbox.Event{Kind: act.Kind, Merchant: row.Merchant, Subject: row.Subject}, row.TakeDown)
	})
	return row, fault.Wrap(err, "take "+order.Subject+" down")
}

// LiftTakeDown undoes a take-down. To lift what is lifted is no error. Errors: payment.take_down_not_found,
// party.bad_reason.
func (p *Payments) LiftTakeDown(ctx context.Context, subject, kind, reason string) (StaffTakeDown, error) {
	reason, err := party.ParseReason(reason)
	if err != nil {
		return StaffTakeDown{}, err
	}
	var row StaffTakeDown
	key := p.takeDowns.Key(subject)
	err = p.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		before, found, err := p.takeDowns.Get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return fault.New(fault.NotFound, "payment.take_down_not_found", "nothing was taken down under this id")
		}
		if row = before; !before.LiftedAt.IsZero() {
			return nil
		}
		row.LiftedAt = tx.Now()
		p.takeDowns.Put(tx, row)
		act := audit.Act{Kind: kind + ".restored", Subject: subject, Reason: reason, Before: before, After: row}
		if err := p.Trail.Add(ctx, tx, act); err != nil {
			return err
		}
		return p.Outbox.Add(tx, outbox.Event{Kind: act.Kind, Merchant: row.Merchant, Subject: subject}, row.TakeDown)
	})
	return row, fault.Wrap(err, "restore "+subject)
}

// takeDownsShown is how many a listing shows.
const takeDownsShown = 200

// TakeDowns lists what is down now, of one merchant or, with "", of all, newest first, 200 at most.
func (p *Payments) TakeDowns(ctx context.Context, merchant id.Merchant) ([]StaffTakeDown, error) {
	rows, err := p.DB.Read.QueryContext(ctx, `SELECT id, merchant_id, reason, note, taken_by, taken_at FROM take_downs
		WHERE lifted_at = 0 AND ($1 = '' OR merchant_id = $1) ORDER BY taken_at DESC, id DESC LIMIT $2`,
		string(merchant), takeDownsShown)
	if err != nil {
		return nil, fault.Wrap(err, "list take-downs")
	}
	defer rows.Close()
	out := []StaffTakeDown{}
	for rows.Next() {
		var row StaffTakeDown
		var taken int64
		if err := rows.Scan(&row.Subject, &row.Merchant, &row.Reason, &row.Note, &row.By, &taken); err != nil {
			return nil, fault.Wrap(err, "list take-downs")
		}
		row.TakenAt = clock.FromMicros(taken)
		out = append(out, row)
	}
	return out, fault.Wrap(rows.Err(), "list take-downs")
}
