package issuer

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
)

// Why the issuer declines a debit, beside the reasons of the bank. The names are those of internal/channel.
const (
	declineAccountNotFound    = "account_not_found"
	declineAgreementEnded     = "agreement_ended"
	declineAgreementSuspended = "agreement_suspended"
	declineLimitExceeded      = "limit_exceeded"
	declineCurrencyMismatch   = "currency_mismatch"
)

// MagicAmounts is the bank's table, and 90.06, which is declined as if the bank had suspended the agreement.
func MagicAmounts() []bank.MagicAmount {
	return append(bank.MagicAmounts(), bank.MagicAmount{
		Remainder: 9006, Example: "90.06", Effect: bank.EffectDecline, DeclineCode: declineAgreementSuspended,
		Description: "declined: " + declineAgreementSuspended,
	})
}

// zone is where the issuer's day ends: China Standard Time.
func zone() *time.Location { return time.FixedZone("CST", 8*60*60) }

// accountOf finds the card of a token. Debits stay within the agreement's limits: an own check of the issuer, beside
// the platform's, since a day's debits of the card count whoever asked for them.
func (s *Server) accountOf(ctx context.Context, tx *sql.Tx, order bank.Order) (string, string, error) {
	var number, status string
	err := tx.QueryRowContext(ctx, "SELECT number, status FROM bindings WHERE card_token = $1 AND card_token <> ''",
		order.Token).Scan(&number, &status)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", declineAccountNotFound, nil
	case err != nil:
		return "", "", err
	case status != statusSigned:
		return number, declineAgreementEnded, nil
	case order.Amount.Currency != currency:
		return number, declineCurrencyMismatch, nil
	case !order.PayIn:
		return number, "", nil
	case order.Amount.Minor > transactionMax:
		return number, declineLimitExceeded, nil
	}
	today, err := clock.DateOf(s.config.Clock.Now(), zone()).Start(zone())
	if err != nil {
		return "", "", err
	}
	var debited int64
	err = tx.QueryRowContext(ctx, `SELECT coalesce(sum(amount_minor), 0) FROM orders WHERE account_number = $1
		AND kind = 'pay_in' AND (status = 'pending' OR (status = 'succeeded' AND booked_at >= $2))`,
		number, clock.Micros(today)).Scan(&debited)
	if err == nil && debited+order.Amount.Minor > dayMax {
		return number, declineLimitExceeded, nil
	}
	return number, "", err
}
