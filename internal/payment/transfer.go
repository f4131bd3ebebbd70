package payment

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
)

// Transfer moves a balance from person to person.
type Transfer struct {
	ID    id.WalletTransfer `json:"id"`
	Payer id.Customer       `json:"payer_id"`
	Payee id.Customer       `json:"payee_id"`
	money.Amount
	Note      string    `json:"note,omitempty"`
	State     State     `json:"state" enum:"succeeded"`
	Entry     id.Entry  `json:"entry_id"`
	CreatedAt time.Time `json:"created_at"`
}

// TransferOrder asks for a transfer. Nothing of the proof is kept.
type TransferOrder struct {
	Payer  id.Customer
	Device id.Device
	Payee  party.Customer
	Amount money.Amount
	Note   string
	By     auth.Payer
	Proof  auth.Proof
	Once   idempotency.Request
	// ByCode is set where a receive code was scanned; it may refuse, and writes what it counts.
	ByCode *ByReceiveCode
}

// ByReceiveCode is what a person's receive code adds to the decision of a transfer. Check runs before anything else is
// written; a standing code counts as a static one.
type ByReceiveCode struct {
	Standing bool
	Keys     []commit.Key
	Check    func(tx *commit.Tx) error
}

// method is how the limits count the transfer.
func (o *TransferOrder) method() limit.Method {
	if o.ByCode != nil && o.ByCode.Standing {
		return limit.StaticCode
	}
	return limit.Transfer
}

// Transfer moves the amount in one commit. Errors: those of CheckAmount, transfer.to_self, transfer.payee_not_active,
// transfer.bad_note, limit.exceeded, payment.insufficient_funds, those of auth.Confirming.Require, ledger.account_*,
// idempotency.key_reused.
func (p *Payments) Transfer(ctx context.Context, order TransferOrder) (idempotency.Answer, error) {
	if err := p.checkTransfer(order); err != nil {
		return idempotency.Answer{}, err
	}
	confirming, err := p.Auth.Confirm(ctx, auth.Confirmation{
		Customer: order.Payer, By: order.By, Proof: order.Proof, Intent: auth.Intent{
			Act:       auth.ActTransfer,
			Payee:     string(order.Payee.ID),
			PayeeName: party.MaskName(order.Payee.Name),
			Amount:    order.Amount,
		},
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	ask, err := p.Limits.Ask(ctx, limit.Act{
		Customer: order.Payer, Amount: order.Amount, Method: order.method(), Factors: shown(order.Proof),
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	now := p.Clock.Now()
	transfer := Transfer{
		ID: id.New[id.WalletTransfer](now), Payer: order.Payer, Payee: order.Payee.ID, Amount: order.Amount,
		Note: order.Note, State: Succeeded,
	}
	entry := ledger.NewEntry(
		now,
		string(transfer.ID),
		p.flows.Transfer(string(order.Payer), string(order.Payee.ID), order.Amount)...)
	transfer.Entry = entry.ID
	event := outbox.Event{Kind: "transfer.succeeded", Subject: string(transfer.ID)}
	keys := append(p.Ledger.KeysOf(entry.Lines), confirming.Keys()...)
	keys = append(keys, ask.Keys()...)
	if order.ByCode != nil {
		keys = append(keys, order.ByCode.Keys...)
	}
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		// Within the decision: a transfer that is done is answered as it was, whatever has become of the payee.
		if order.Payee.State != party.StateActive {
			return 0, nil, fault.New(fault.Conflict, "transfer.payee_not_active", "the payee can't receive money now").
				WithParam("payee")
		}
		if err := require(tx, confirming, ask); err != nil {
			return 0, nil, err
		}
		if order.ByCode != nil {
			if err := order.ByCode.Check(tx); err != nil {
				return 0, nil, err
			}
		}
		counted, err := ask.Check(tx)
		if err != nil {
			return 0, nil, err
		}
		if err := p.Ledger.Post(tx, entry); err != nil {
			return 0, nil, spendFault(err)
		}
		counted.Put(tx)
		row := transfer
		row.CreatedAt = tx.Now()
		p.transfers.Append(tx, row)
		body, err := p.Outbox.Announce(tx, event, row)
		return statusCreated, body, err
	})
}

func (p *Payments) checkTransfer(order TransferOrder) error {
	if err := p.checkAmount(order.Amount); err != nil {
		return err
	}
	switch {
	case order.Payee.ID == order.Payer:
		return fault.New(fault.Invalid, "transfer.to_self", "payer and payee are the same person").WithParam("payee")
	case !printable(order.Note, DescriptionMax):
		return fault.Newf(fault.Invalid, "transfer.bad_note", "a note has at most %d printable characters", DescriptionMax).
			WithParam("note")
	}
	return nil
}
