package bank

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

// order is one row of orders.
type order struct {
	reference, kind, fingerprint, account, original, memo  string
	amount                                                 money.Amount
	status, declineCode, bankReference, message, settlesAs string
	bookedAt, settlesAt                                    int64
}

// answer returns what the bank says about the order.
func (o *order) answer() orderAnswer {
	return orderAnswer{
		Reference: o.reference, Kind: o.kind, Amount: o.amount, Status: o.status, DeclineCode: o.declineCode,
		BankReference: o.bankReference, BookedAt: clock.FromMicros(o.bookedAt), Message: o.message,
	}
}

// decline makes the order declined.
func (o *order) decline(code string) {
	o.status, o.declineCode, o.message = statusDeclined, code, "declined by the bank"
	o.bookedAt, o.settlesAt = 0, 0
}

// placed is the bank's decision about an order: the order as it stands now, and the effect that
// applies to this answer. Reused means that another order has the reference; lost, that nothing was
// written on purpose.
type placed struct {
	order  order
	effect Effect
	reused bool
	lost   bool
}

// place decides an order and books it, or finds it decided.
func (s *Server) place(ctx context.Context, request orderRequest) (placed, error) {
	var result placed
	err := inTx(ctx, s.db, func(tx *sql.Tx) error {
		known, found, err := findOrder(ctx, tx, request.Reference)
		if err != nil {
			return err
		}
		if found {
			result = placed{order: known, reused: known.fingerprint != request.fingerprint()}
			return nil
		}
		magic := magicOf(s.magic, request.Amount)
		if magic.Effect == EffectLostNoAnswer {
			result = placed{lost: true, effect: magic.Effect}
			return nil
		}
		decided, err := s.decide(ctx, tx, request, magic)
		if err != nil {
			return err
		}
		result = placed{order: decided, effect: magic.Effect}
		if err := insertOrder(ctx, tx, decided); err != nil || decided.status != statusSucceeded {
			return err
		}
		return s.announce(ctx, tx, decided, magic.Effect)
	})
	if err == nil {
		s.nudge()
	}
	return result, err
}

// decide says what becomes of a new order, and books it when it succeeds at once.
func (s *Server) decide(ctx context.Context, tx *sql.Tx, request orderRequest, magic MagicAmount) (order, error) {
	now := s.clock.Now()
	o := order{
		reference: request.Reference, kind: request.kind, fingerprint: request.fingerprint(),
		original: request.OriginalReference, amount: request.Amount, memo: request.Memo, bankReference: newBankReference(),
	}
	account, code, err := s.orderAccount(ctx, tx, request)
	if err != nil {
		return order{}, err
	}
	o.account = account
	switch {
	case magic.Effect == EffectDecline:
		o.decline(magic.DeclineCode)
	case code != "":
		o.decline(code)
	case magic.Effect == EffectPendingSuccess, magic.Effect == EffectPendingDecline:
		o.status, o.settlesAs, o.message = statusPending, statusSucceeded, "the bank is working on it"
		o.settlesAt = clock.Micros(now.Add(s.timing.PendingFor))
		if magic.Effect == EffectPendingDecline {
			o.settlesAs = statusDeclined
		}
	default:
		err = o.book(ctx, tx, now)
	}
	return o, err
}

// book moves the order's money and makes it succeeded, or declined where there is too little.
func (o *order) book(ctx context.Context, tx *sql.Tx, now time.Time) error {
	m := movement{
		bankReference: o.bankReference, reference: o.reference, kind: o.kind, minor: o.amount.Minor,
		debit: reserveNumber(o.amount.Currency), credit: o.account,
	}
	if o.kind == kindPayIn {
		m.debit, m.credit = m.credit, m.debit
	}
	err := book(ctx, tx, m, now)
	if errors.Is(err, errTooLow) {
		o.decline(declineInsufficientFunds)
		return nil
	}
	o.status, o.message, o.settlesAt, o.bookedAt = statusSucceeded, "booked", 0, clock.Micros(now)
	return err
}

// orderAccount finds the customer's account of an order; the code says why there is none to use.
func (s *Server) orderAccount(ctx context.Context, tx *sql.Tx, request orderRequest) (string, string, error) {
	if request.kind == kindRefund {
		return refundAccount(ctx, tx, request)
	}
	if s.find != nil {
		return s.find(ctx, tx, Order{
			Token: request.AccountToken, PayIn: request.kind == kindPayIn, Amount: request.Amount,
		})
	}
	a, found, err := accountBy(ctx, tx, "token", request.AccountToken)
	switch {
	case err != nil:
		return "", "", err
	case !found || a.kind != kindCustomer:
		return "", declineAccountNotFound, nil
	case a.closed:
		return a.number, declineAccountClosed, nil
	case a.currency != request.Currency:
		return a.number, declineCurrencyMismatch, nil
	}
	return a.number, "", nil
}

// refundAccount returns the account of the pay-in to be refunded. Refunds that are booked or may yet
// be never exceed the pay-in together.
func refundAccount(ctx context.Context, tx *sql.Tx, request orderRequest) (string, string, error) {
	original, found, err := findOrder(ctx, tx, request.OriginalReference)
	if err != nil {
		return "", "", err
	}
	if !found || original.kind != kindPayIn || original.status != statusSucceeded {
		return "", declineOriginalNotFound, nil
	}
	if original.amount.Currency != request.Currency {
		return original.account, declineCurrencyMismatch, nil
	}
	var refunded int64
	err = tx.QueryRowContext(ctx, `SELECT coalesce(sum(amount_minor), 0) FROM orders
		WHERE original_reference = $1 AND kind = 'refund' AND status IN ('succeeded', 'pending')`,
		request.OriginalReference).Scan(&refunded)
	if err != nil {
		return "", "", err
	}
	if request.Minor > original.amount.Minor-refunded {
		return original.account, declineRefundExceedsOriginal, nil
	}
	return original.account, "", nil
}

// settle finishes the orders whose time as pending is over.
func (s *Server) settle(ctx context.Context) error {
	return inTx(ctx, s.db, func(tx *sql.Tx) error {
		now := s.clock.Now()
		references, err := texts(ctx, tx, `SELECT reference FROM orders
			WHERE status = 'pending' AND settle_at <= $1 ORDER BY settle_at, reference LIMIT 100`, clock.Micros(now))
		if err != nil {
			return err
		}
		for _, reference := range references {
			o, _, err := findOrder(ctx, tx, reference)
			if err != nil {
				return err
			}
			if o.settlesAs == statusDeclined {
				o.decline(declineDoNotHonor)
			} else if err := o.book(ctx, tx, now); err != nil {
				return err
			}
			if err := updateOrder(ctx, tx, o); err != nil {
				return err
			}
			if err := s.announce(ctx, tx, o, EffectNone); err != nil {
				return err
			}
		}
		return nil
	})
}

func findOrder(ctx context.Context, tx *sql.Tx, reference string) (order, bool, error) {
	var o order
	err := tx.QueryRowContext(ctx, `SELECT reference, kind, fingerprint, account_number, original_reference, amount_minor,
		currency, memo, status, decline_code, bank_reference, message, booked_at, settle_at, settle_as
		FROM orders WHERE reference = $1`, reference).Scan(
		&o.reference, &o.kind, &o.fingerprint, &o.account, &o.original, &o.amount.Minor, &o.amount.Currency, &o.memo,
		&o.status, &o.declineCode, &o.bankReference, &o.message, &o.bookedAt, &o.settlesAt, &o.settlesAs)
	if errors.Is(err, sql.ErrNoRows) {
		return order{}, false, nil
	}
	return o, err == nil, err
}

func insertOrder(ctx context.Context, tx *sql.Tx, o order) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO orders (reference, kind, fingerprint, account_number, original_reference,
		amount_minor, currency, memo, status, decline_code, bank_reference, message, booked_at, settle_at, settle_as)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		o.reference, o.kind, o.fingerprint, o.account, o.original, o.amount.Minor, string(o.amount.Currency), o.memo,
		o.status, o.declineCode, o.bankReference, o.message, o.bookedAt, o.settlesAt, o.settlesAs)
	return err
}

func updateOrder(ctx context.Context, tx *sql.Tx, o order) error {
	_, err := tx.ExecContext(ctx, `UPDATE orders SET status = $1, decline_code = $2, message = $3, booked_at = $4,
		settle_at = $5 WHERE reference = $6 AND status = 'pending'`,
		o.status, o.declineCode, o.message, o.bookedAt, o.settlesAt, o.reference)
	return err
}

// texts reads the one text column of a query.
func texts(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
