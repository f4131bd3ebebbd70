package bankhttp

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

// Statement implements channel.Channel.
func (c *Channel) Statement(ctx context.Context, request channel.StatementRequest) (channel.StatementPage, error) {
	if _, ok := c.capabilities.TermsFor(request.Currency); !ok {
		return channel.StatementPage{}, fault.New(fault.Invalid, channel.CodeNotSupported,
			"there is no reserve account in that currency").WithParam("currency")
	}
	query := url.Values{"currency": {string(request.Currency)}}
	if request.Cursor != "" {
		query.Set("cursor", request.Cursor)
	}
	if request.Limit > 0 {
		query.Set("limit", strconv.Itoa(min(request.Limit, channel.StatementLimitMax)))
	}
	for name, at := range map[string]time.Time{"from": request.From, "until": request.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	reply, err := c.get(ctx, "/statement", query)
	if err != nil {
		return channel.StatementPage{}, err
	}
	var answer statementAnswer
	if err := reply.read(&answer); err != nil {
		return channel.StatementPage{}, err
	}
	page := channel.StatementPage{
		Opening: answer.Opening, Closing: answer.Closing, Next: answer.Next, More: answer.More,
		Lines: make([]channel.StatementLine, 0, len(answer.Lines)),
	}
	for _, l := range answer.Lines {
		line, err := l.line(request.Currency)
		if err != nil {
			return channel.StatementPage{}, badAnswer(err)
		}
		page.Lines = append(page.Lines, line)
	}
	return page, nil
}

// ReserveBalance implements channel.BalanceReader.
func (c *Channel) ReserveBalance(ctx context.Context, currency money.Currency) (money.Amount, error) {
	reply, err := c.get(ctx, "/balance", url.Values{"currency": {string(currency)}})
	if err != nil {
		return money.Amount{}, err
	}
	var balance money.Amount
	return balance, reply.read(&balance)
}
