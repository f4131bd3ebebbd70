package qr

import (
	"context"
	"net/url"
	"strings"

	"github.com/feiqian/feiqian/internal/emvqr"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// ScanMax is the most bytes that are looked at.
const ScanMax = 2048

// What a scanned text is.
const (
	IsPayment     = "payment"
	IsStore       = "store"
	IsPerson      = "person"
	IsForeign     = "foreign"
	IsPaymentCode = "payment_code"
)

// What a payer can do next.
const (
	NextConfirm     = "confirm_payment"
	NextEnterAmount = "enter_amount"
	NextPayCode     = "pay_code"
	NextNone        = "none"
)

// Scanned says what a scanned text is, and what the payer can do next.
type Scanned struct {
	Kind    string             `json:"kind" enum:"payment,store,person,foreign,payment_code"`
	Next    string             `json:"next" enum:"confirm_payment,enter_amount,pay_code,none"`
	Path    string             `json:"path,omitempty" doc:"Where to POST next." example:"/wallet/v1/payments/pay_…/confirm"`
	Text    limit.Text         `json:"text" doc:"The same for people."`
	Payment *payment.PayerView `json:"payment,omitempty"`
	Payee   *Payee             `json:"payee,omitempty" doc:"Of a store's or person's code."`
	Foreign *Foreign           `json:"foreign,omitempty"`
}

// Payee is whom a receive code pays, as a payer may see it.
type Payee struct {
	Code        id.QRCode `json:"qr_code_id"`
	Name        string    `json:"name" doc:"A person's is masked."`
	StoreName   string    `json:"store_name,omitempty"`
	Minor       int64     `json:"amount,omitzero" doc:"Minor units; left out where the payer says how much."`
	Currency    string    `json:"currency"`
	Description string    `json:"description,omitempty"`
	Escrow      bool      `json:"escrow,omitempty" doc:"The merchant gets the money when you say that you have the goods, or after its time."`
}

// Foreign is a code of another scheme. Its names are what a stranger printed.
type Foreign struct {
	Scheme   string       `json:"scheme" example:"unionpay" doc:"As far as it can be told."`
	Name     string       `json:"merchant_name,omitempty"`
	City     string       `json:"merchant_city,omitempty"`
	Currency string       `json:"currency_number,omitempty" doc:"ISO 4217 numeric."`
	Amount   string       `json:"amount,omitzero" doc:"As the code has it."`
	Fields   []emvqr.Line `json:"fields,omitempty" doc:"Of an EMVCo code, all with their names."`
}

// hosts are addresses that other schemes' codes begin with.
var hosts = []struct{ prefix, scheme string }{ //nolint:gochecknoglobals // a table
	{"wxp://", "wechat"},
	{"weixin://", "wechat"},
	{"https://wx.tenpay.com/", "wechat"},
	{"https://qr.alipay.com/", "alipay"},
	{"https://render.alipay.com/", "alipay"},
	{"https://ds.alipay.com/", "alipay"},
	{"https://qr.95516.com/", "unionpay"},
}

// Scan says what a text is that a payer's camera read. Errors: qr.unknown, those of emvqr.Parse, payment.not_found,
// qr.not_found.
func (c *Codes) Scan(ctx context.Context, customer id.Customer, data string) (Scanned, error) {
	data = strings.TrimSpace(data)
	if token := c.tokenOf(data); token != "" {
		return c.scanOurs(ctx, customer, token)
	}
	if emvqr.LooksLike(data) {
		return c.scanEMV(ctx, customer, data)
	}
	if scheme := paymentCode(data); scheme != "" {
		return Scanned{
			Kind: IsPaymentCode, Next: NextNone, Foreign: &Foreign{Scheme: scheme},
			Text: limit.Text{
				Chinese: "这是付款码，由商户来扫；不能向它付款", English: "this is a payer's payment code: merchants scan it, nobody pays to it",
			},
		}, nil
	}
	for _, known := range hosts {
		if len(data) >= len(known.prefix) && strings.EqualFold(data[:len(known.prefix)], known.prefix) {
			return foreign(Foreign{Scheme: known.scheme}), nil
		}
	}
	if address, err := url.Parse(data); err == nil && address.Scheme == "https" && address.Host != "" {
		return foreign(Foreign{Scheme: "web"}), nil
	}
	return Scanned{}, fault.New(fault.Invalid, "qr.unknown", "this is no payment code that we know").WithParam("data").
		WithHint("scan again, the whole code in the picture")
}

// scanEMV reads an EMVCo code: ours leads on, others are told apart by their accounts.
func (c *Codes) scanEMV(ctx context.Context, customer id.Customer, data string) (Scanned, error) {
	code, err := emvqr.Parse(data, emvqr.Lenient)
	if err != nil {
		return Scanned{}, fault.From(err).WithParam("data")
	}
	if ours, found := code.Account(GlobalID); found {
		return c.scanOurs(ctx, customer, emvqr.Code{Fields: ours.Field.Fields}.Get("01"))
	}
	seen := Foreign{
		Scheme: "emv", Name: code.Name("zh"), City: code.Get(emvqr.IDCity), Currency: code.Get(emvqr.IDCurrency),
		Amount: code.Get(emvqr.IDAmount), Fields: code.Explain(),
	}
	for _, account := range code.Accounts() {
		if account.Network != "" {
			seen.Scheme = account.Network
			break
		}
	}
	return foreign(seen), nil
}

func foreign(seen Foreign) Scanned {
	return Scanned{
		Kind: IsForeign, Next: NextNone, Foreign: &seen,
		Text: limit.Text{
			Chinese: "这是其他机构的收款码，本钱包还没有通往它的渠道", English: "a code of another scheme, to which this wallet has no channel yet",
		},
	}
}

func (c *Codes) scanOurs(ctx context.Context, customer id.Customer, token string) (Scanned, error) {
	named, err := c.Resolve(ctx, token)
	if err != nil {
		return Scanned{}, fault.From(err).WithParam("data")
	}
	if named.Code != nil {
		return c.scanCode(ctx, *named.Code)
	}
	view, err := c.Payments.ForPayer(ctx, customer, named.Payment)
	if err != nil {
		return Scanned{}, err
	}
	out := Scanned{
		Kind: IsPayment, Next: NextNone, Payment: &view,
		Text: limit.Text{Chinese: "这笔付款已经结束", English: "this payment is over"},
	}
	down, err := c.Payments.IsTakenDown(ctx, string(view.ID))
	if err != nil {
		return Scanned{}, err
	}
	if down != "" && view.State == payment.Created {
		return Scanned{}, payment.TakenDown()
	}
	if view.State == payment.Created && view.ExpiresAt.After(c.Clock.Now()) {
		out.Next, out.Path = NextConfirm, "/wallet/v1/payments/"+string(view.ID)+"/confirm"
		out.Text = limit.Text{Chinese: "核对商户和金额后确认付款", English: "look at merchant and amount, then confirm"}
	}
	return out, nil
}

func (c *Codes) scanCode(ctx context.Context, code Code) (Scanned, error) {
	if err := code.Payable(c.Clock.Now()); err != nil {
		return Scanned{}, err
	}
	payee, err := c.PayeeOf(ctx, code)
	if err != nil {
		return Scanned{}, err
	}
	out := Scanned{
		Kind: IsStore, Next: NextPayCode, Path: "/wallet/v1/qr_codes/" + string(code.ID) + "/pay", Payee: &payee,
		Text: limit.Text{Chinese: "核对收款方和金额后付款", English: "look at payee and amount, then pay"},
	}
	if code.Kind == Person {
		out.Kind, out.Path = IsPerson, "/wallet/v1/qr_codes/"+string(code.ID)+"/transfer"
	}
	if code.Minor == 0 {
		out.Next = NextEnterAmount
		out.Text = limit.Text{Chinese: "输入金额后付款", English: "say how much, then pay"}
	}
	return out, nil
}

// PayeeOf returns whom a code pays, as anybody who holds the code may see it.
func (c *Codes) PayeeOf(ctx context.Context, code Code) (Payee, error) {
	out := Payee{
		Code: code.ID, Minor: code.Minor, Currency: string(code.Currency), Description: code.Description,
		Escrow: code.Funds == payment.FundsEscrow,
	}
	if code.Kind == Person {
		person, err := c.Parties.PayeeByID(ctx, code.customer)
		out.Name = party.MaskName(person.Name)
		return out, noSuch(err)
	}
	merchant, err := c.Parties.Merchant(ctx, code.Merchant)
	if err != nil {
		return out, noSuch(err)
	}
	out.Name = merchant.Name
	if code.Store != "" {
		store, err := c.Parties.StoreOf(ctx, code.Merchant, code.Store)
		if err != nil {
			return out, noSuch(err)
		}
		out.StoreName = store.Name
	}
	return out, nil
}

// paymentCode tells whose payer-shown code a number is; "" for none. Ours has 24 digits from 95; the others' prefixes
// and lengths are those of their open documentation.
func paymentCode(data string) string {
	if strings.HasPrefix(data, "hQVDUFY") { // base64 of EMVCo's consumer-presented form
		return "emv"
	}
	if strings.Trim(data, "0123456789") != "" {
		return ""
	}
	n := len(data)
	switch {
	case n == 24 && strings.HasPrefix(data, "95"):
		return "feiqian"
	case n == 18 && data >= "10" && data < "16":
		return "wechat"
	case n >= 16 && n <= 24 && data >= "25" && data < "31":
		return "alipay"
	case n == 19 && strings.HasPrefix(data, "62"):
		return "unionpay"
	}
	return ""
}
