package checkout

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/qr"
)

// app is a program that scans codes, told by a mark in its User-Agent. Way is where its payers are sent: "" is our own
// page, which is for everybody. An app whose channel is there gets its own way here, by one line.
type app struct {
	name, mark string
}

// apps are looked at in order: Alipay and UnionPay name other browsers too.
var apps = []app{ //nolint:gochecknoglobals // a table
	{name: "feiqian", mark: "FeiqianWallet/"},
	{name: "alipay", mark: "AlipayClient"},
	{name: "wechat", mark: "MicroMessenger"},
	{name: "unionpay", mark: "UnionPay/"},
	{name: "unionpay", mark: "CloudPay"},
}

// appOf returns the app whose way to pay does not exist here, by its User-Agent or as an earlier page found; "" for
// others.
func appOf(agent, via string) string {
	for _, known := range apps {
		if strings.Contains(agent, known.mark) || via == known.name {
			if known.name == "feiqian" {
				return ""
			}
			return known.name
		}
	}
	return ""
}

// land is GET /q/{token}: one code for all wallets. It sends a payment's payer to its page, shows a store's page to pay
// by its code, and for a person's code says to scan it with the wallet: such codes are not for paying from afar.
func (c *Checkouts) land(w http.ResponseWriter, r *http.Request) {
	v := c.begin(r)
	named, err := c.Codes.Resolve(r.Context(), r.PathValue("token"))
	if err != nil {
		c.refuse(w, v, err)
		return
	}
	if named.Code == nil {
		query := url.Values{"key": {c.Codes.PaymentKey(named.Payment)}}
		if app := appOf(r.UserAgent(), ""); app != "" {
			query.Set("via", app)
		}
		if said := r.URL.Query().Get("lang"); said != "" {
			query.Set("lang", string(v.lang))
		}
		redirect(w, "/pay/"+string(named.Payment), query)
		return
	}
	c.codePage(w, r, v, *named.Code)
}

func (c *Checkouts) codePage(w http.ResponseWriter, r *http.Request, v view, code qr.Code) {
	err := code.Payable(c.Clock.Now())
	var payee qr.Payee
	if err == nil {
		payee, err = c.Codes.PayeeOf(r.Context(), code)
	}
	if err != nil {
		c.refuse(w, v, err)
		return
	}
	if code.Kind == qr.Person {
		v.Mode, v.Mark, v.Headline, v.Merchant, v.Said = "note", "→", v.T("person"), payee.Name, v.T("person_more")
		v.priced(money.Amount{Minor: code.Minor, Currency: code.Currency})
		c.write(w, http.StatusOK, "result", v)
		return
	}
	v.Mode, v.Subject, v.Merchant, v.Store, v.Description = "code", string(
		code.ID,
	), payee.Name, payee.StoreName, code.Description
	v.Title += " · " + payee.Name
	v.priced(money.Amount{Minor: code.Minor, Currency: code.Currency})
	v.held(code.Funds)
	v.withScript()
	c.write(w, http.StatusOK, "code", v)
}
