package feiqian

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
)

// What links and codes are made from and listed by, by shorter names than the generated ones.
type (
	// PaymentLink is an address that makes a payment for each payer who begins one.
	PaymentLink = Link
	// NewPaymentLink is what a link begins with; without Amount the payer says how much.
	NewPaymentLink = CreatePaymentLinkBody
	// PaymentLinkFilter narrows a list of links; the zero value is all.
	PaymentLinkFilter = ListPaymentLinksParams
	// QRCode is a code to print: of the merchant or of one of its stores.
	QRCode = Code
	// NewQRCode is what a code begins with; without Amount the payer says how much.
	NewQRCode = CreateQRCodeBody
	// QRCodeFilter narrows a list of codes; the zero value is all.
	QRCodeFilter = ListQrCodesParams
	// Drawing says how a code is drawn: Format png or svg, Content url or emv, Size in pixels.
	Drawing = DrawQrCodeParams
)

// PaymentLinks are the merchant's payment links.
type PaymentLinks struct{ resource }

// Create makes a link: give its URL to payers. Errors: payment_link.*, checkout.bad_url, payment.bad_split.
func (p PaymentLinks) Create(ctx context.Context, link NewPaymentLink, options ...CallOption) (*PaymentLink, error) {
	return create[PaymentLink](ctx, p.resource, link, options...)
}

// Get reads a link. Errors: payment_link.not_found.
func (p PaymentLinks) Get(ctx context.Context, id string) (*PaymentLink, error) {
	return ask[PaymentLink](ctx, p.resource, http.MethodGet, id, "", nil)
}

// All goes through all links of a filter, newest first. It ends at the first error.
func (p PaymentLinks) All(ctx context.Context, filter PaymentLinkFilter) iter.Seq2[PaymentLink, error] {
	return all[PaymentLink](ctx, p.client, p.path, queryOf(filter))
}

// Disable takes a link back for good; payments that it made go on.
func (p PaymentLinks) Disable(ctx context.Context, id string) (*PaymentLink, error) {
	return ask[PaymentLink](ctx, p.resource, http.MethodPost, id, "/disable", nil)
}

// QRCodes are the merchant's codes to print.
type QRCodes struct{ resource }

// Create makes a code. Errors: party.store_not_found, payment.bad_split.
func (q QRCodes) Create(ctx context.Context, code NewQRCode, options ...CallOption) (*QRCode, error) {
	return create[QRCode](ctx, q.resource, code, options...)
}

// Get reads a code. Errors: qr.not_found.
func (q QRCodes) Get(ctx context.Context, id string) (*QRCode, error) {
	return ask[QRCode](ctx, q.resource, http.MethodGet, id, "", nil)
}

// All goes through all codes of a filter, newest first. It ends at the first error.
func (q QRCodes) All(ctx context.Context, filter QRCodeFilter) iter.Seq2[QRCode, error] {
	return all[QRCode](ctx, q.client, q.path, queryOf(filter))
}

// Disable takes a code back for good.
func (q QRCodes) Disable(ctx context.Context, id string) (*QRCode, error) {
	return ask[QRCode](ctx, q.resource, http.MethodPost, id, "/disable", nil)
}

// Draw draws a code; the zero value of how is a png of its address.
func (q QRCodes) Draw(ctx context.Context, id string, how Drawing) ([]byte, error) {
	path, err := q.at(id, "/image")
	if err != nil {
		return nil, err
	}
	return q.client.file(ctx, path, queryOf(how))
}

// QRCode returns what a payment's own code says, for one payer.
func (p Payments) QRCode(ctx context.Context, id string) (*Presented, error) {
	return ask[Presented](ctx, resource{p.client, "/v1/payments"}, http.MethodGet, id, "/qr_code", nil)
}

// DrawQRCode draws a payment's own code.
func (p Payments) DrawQRCode(ctx context.Context, id string, how Drawing) ([]byte, error) {
	path, err := resource{p.client, "/v1/payments"}.at(id, "/qr_code/image")
	if err != nil {
		return nil, err
	}
	return p.client.file(ctx, path, queryOf(how))
}

// file reads what is no JSON.
func (c *Client) file(ctx context.Context, path string, query url.Values) ([]byte, error) {
	return c.persist(ctx, call{method: http.MethodGet, path: path, query: query})
}

// SplitRules are rules that payments, links and codes name to be split by.
type SplitRules struct{ resource }

// Create makes a rule; it never changes. Errors: payment.bad_split, payment.bad_rule_name.
func (s SplitRules) Create(ctx context.Context, name string, splits ...SplitPart) (*SplitRule, error) {
	return create[SplitRule](ctx, s.resource, CreateSplitRuleBody{Name: name, Splits: splits})
}

// List returns all rules, newest first.
func (s SplitRules) List(ctx context.Context) ([]SplitRule, error) {
	var page PageSplitRule
	err := s.client.get(ctx, s.path, nil, &page)
	return page.Data, err
}

// End keeps new payments from naming a rule. Errors: payment.split_rule_not_found.
func (s SplitRules) End(ctx context.Context, id string) error {
	_, err := ask[json.RawMessage](ctx, s.resource, http.MethodDelete, id, "", nil)
	return err
}

// Received goes through what other merchants' payments brought, newest first. It ends at the first error.
func (s SplitRules) Received(ctx context.Context) iter.Seq2[Split, error] {
	return all[Split](ctx, s.client, "/v1/received_splits", url.Values{})
}

// NewRefundRules say what becomes of refunds that payers and your systems ask for.
type NewRefundRules = SetRefundRulesBody

// Rules reads the rules for refunds.
func (r Refunds) Rules(ctx context.Context) (*RefundRules, error) {
	var rules RefundRules
	if err := r.client.get(ctx, "/v1/refund_rules", nil, &rules); err != nil {
		return nil, err
	}
	return &rules, nil
}

// SetRules replaces the rules for refunds.
func (r Refunds) SetRules(ctx context.Context, rules NewRefundRules) (*RefundRules, error) {
	var changed RefundRules
	if err := r.client.send(ctx, http.MethodPut, "/v1/refund_rules", nil, rules, &changed); err != nil {
		return nil, err
	}
	return &changed, nil
}
