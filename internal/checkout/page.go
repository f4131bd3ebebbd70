package checkout

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/qr"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string

	pages = template.Must(template.New("").Parse(pageHTML)) //nolint:gochecknoglobals // parsed once
)

// Page is one route of pages. Writes says that a visit may write.
type Page struct {
	Method  string
	Path    string
	Writes  bool
	Handler http.HandlerFunc
}

// Pages lists the routes.
func (c *Checkouts) Pages() []Page {
	return []Page{
		{Method: http.MethodGet, Path: "/pay/{id}", Handler: c.showPayment},
		{Method: http.MethodGet, Path: "/pay/{id}/state", Handler: c.showState},
		{Method: http.MethodGet, Path: "/pay/{id}/events", Handler: c.streamState},
		{Method: http.MethodGet, Path: qr.Path + "{token}", Handler: c.land},
		{Method: http.MethodGet, Path: linkPath + "{token}", Handler: c.showLink},
		{Method: http.MethodPost, Path: linkPath + "{token}", Writes: true, Handler: c.useLink},
	}
}

// Phase is a payment's state as a page shows it.
type Phase string

const (
	phaseOpen    Phase = "open"
	phasePaid    Phase = "paid"
	phaseClosed  Phase = "closed"
	phasePending Phase = "pending"
)

// phaseOf never says paid of a state that it does not know.
func phaseOf(p *payment.Payment, now time.Time) Phase {
	switch p.State {
	case payment.Created:
		if p.ExpiresAt.After(now) {
			return phaseOpen
		}
		return phaseClosed
	case payment.Succeeded, payment.Authorized: // the payer's word is given; what the merchant takes is the merchant's act
		return phasePaid
	case payment.Declined, payment.Expired, payment.Voided:
		return phaseClosed
	case payment.Processing: // the card's bank decides
	case payment.TopUpPending: // no payment's
	}
	return phasePending
}

// view is what the templates show.
type view struct {
	T          func(string) string
	Nonce      string
	CSS        template.CSS
	JS         template.JS
	Texts      map[string]string
	HTMLLang   string
	SwitchURL  string
	SwitchLang string
	SwitchName string
	Title      string
	Via        string
	Sandbox    bool
	OnPhone    bool
	Refresh    bool

	Mode, Subject, Currency string
	Minor                   int64
	Exponent                int
	LeftMS                  int64
	Phase                   Phase
	State                   string // what the page tells the page around it
	Frames                  string // the origins that may show it within their own pages
	Merchant, Store         string
	Amount, Symbol          string
	Description             string
	Most                    string // with manual capture, the most that the merchant may take
	Escrow                  string // that the money waits for the payer's word
	ReturnURL, CancelURL    string
	Ways                    []shownWay
	Picture                 template.HTML
	Action, Said            string
	Mark, Headline          string
	lang                    lang
}

type shownWay struct {
	Method, Title, Reason string
	Usable                bool
}

// begin makes the view of a request, without a subject.
func (c *Checkouts) begin(r *http.Request) view {
	l := langOf(r)
	other, name, html := en, "English", "zh-CN"
	if l == en {
		other, name, html = zh, "中文", "en"
	}
	query := r.URL.Query()
	query.Set("lang", string(other))
	v := view{
		T: l.text, Nonce: rand.Text(), HTMLLang: html, SwitchLang: string(other), SwitchName: name,
		SwitchURL: "?" + query.Encode(), Title: l.text("title"), Sandbox: !c.Live, OnPhone: onPhone(r), lang: l,
		CSS: template.CSS(pageCSS), //nolint:gosec // our own file
	}
	if via := appOf(r.UserAgent(), query.Get("via")); via != "" {
		v.Via = l.text("via_" + via)
	}
	return v
}

// withScript gives a view the script and its texts.
func (v *view) withScript() {
	v.JS = template.JS(pageJS) //nolint:gosec // our own file
	v.Texts = map[string]string{"lang": string(v.lang), "symbol": v.Symbol}
	for name, text := range scriptTexts {
		v.Texts[name] = v.lang.of(text)
	}
}

// priced gives a view an amount; Minor 0 is the payer's to say.
func (v *view) priced(amount money.Amount) {
	v.Minor, v.Currency, v.Exponent = amount.Minor, string(amount.Currency), amount.Currency.Exponent()
	v.Symbol = symbol(amount.Currency)
	if amount.IsPositive() {
		v.Amount = v.Symbol + amount.Decimal()
	}
}

func symbol(c money.Currency) string {
	if known, ok := map[money.Currency]string{"CNY": "¥", "EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}[c]; ok {
		return known
	}
	return string(c) + " "
}

// held says that the money waits for the payer's word, if it does.
func (v *view) held(funds payment.Funds) {
	if funds == payment.FundsEscrow {
		v.Escrow = v.T("escrow")
	}
}

// write sends a page. Nothing but its own style and script works in it.
func (c *Checkouts) write(w http.ResponseWriter, status int, name string, v view) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, v); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	maps.Copy(header, http.Header{
		"Content-Type":     {"text/html; charset=utf-8"},
		"Content-Language": {v.HTMLLang},
		"Cache-Control":    {"no-store"},
		"Vary":             {"Accept-Language, User-Agent"},
		// The page's address is a secret: it is told to nobody but us, whose forms need the origin.
		"Referrer-Policy": {"same-origin"},
		"Content-Security-Policy": {"default-src 'none'; script-src 'nonce-" + v.Nonce + "'; style-src 'nonce-" + v.Nonce +
			"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors " + cmp.Or(v.Frames, "'none'")},
	})
	if v.Frames != "" {
		// X-Frame-Options stays DENY: it knows no list, browsers that know frame-ancestors leave it out of account (CSP 3
		// §6.4.2), and others get no page to cover with something. Sites that isolate themselves embed only this:
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the error says that the caller is gone
}

const codeTakenDown = "payment.taken_down"

// refuse shows a page that says what is wrong, and no more than that.
func (c *Checkouts) refuse(w http.ResponseWriter, v view, err error) {
	status, headline, said := http.StatusNotFound, "not_found", "not_found_more"
	switch f := fault.From(err); {
	case f.Code == "payment_link.disabled", f.Code == "payment_link.expired", f.Code == "payment_link.used_up":
		status, headline = http.StatusGone, "link_"+strings.TrimPrefix(f.Code, "payment_link.")
	case f.Code == "qr.disabled", f.Code == "qr.used", f.Code == "qr.expired":
		status, headline = http.StatusGone, "code_over"
	case f.Code == codeTakenDown:
		status, headline, said = http.StatusGone, "taken_down", "not_charged"
	case f.Code == "party.merchant_not_active", f.Code == "party.store_not_active":
		status, headline = http.StatusConflict, "not_active"
	case f.Code == "payment.not_payable":
		status, headline, said = http.StatusConflict, "not_payable", "not_payable_more"
	case f.Kind == fault.NotFound:
	case f.Kind == fault.Limited, f.Kind == fault.Unavailable:
		status, headline, said = http.StatusServiceUnavailable, "failed", ""
	default:
		status, headline, said = http.StatusInternalServerError, "failed", ""
	}
	v.Mode, v.Phase, v.Mark, v.Headline = "note", phaseClosed, "!", v.T(headline)
	if said != "" {
		v.Said = v.T(said)
	}
	c.write(w, status, "result", v)
}

// opened reads the payment of a request whose key is right. A wrong key and no payment are the same.
func (c *Checkouts) opened(r *http.Request) (payment.Payment, error) {
	name, err := id.Parse[id.Payment](r.PathValue("id"))
	if err != nil || !c.Codes.CheckPaymentKey(name, r.URL.Query().Get("key")) {
		return payment.Payment{}, notFound()
	}
	return c.Payments.Payment(r.Context(), name)
}

// showPayment is GET /pay/{id}: the checkout while the payment is open, its result afterwards.
func (c *Checkouts) showPayment(w http.ResponseWriter, r *http.Request) {
	v := c.begin(r)
	known, err := c.opened(r)
	if err == nil {
		err = c.fill(r, &v, &known)
	}
	if err != nil {
		c.refuse(w, v, err)
		return
	}
	if v.Phase == phaseOpen {
		c.write(w, http.StatusOK, "pay", v)
		return
	}
	c.write(w, http.StatusOK, "result", v)
}

// fill gives a view all that its payer may see of a payment.
func (c *Checkouts) fill(r *http.Request, v *view, p *payment.Payment) error {
	ctx, now := r.Context(), c.Clock.Now()
	merchant, err := c.Parties.Merchant(ctx, p.Merchant)
	if err != nil {
		return err
	}
	page, err := c.read(ctx, p.ID)
	if err != nil {
		return err
	}
	frames, err := c.OriginsOf(ctx, p.Merchant)
	if err != nil {
		return err
	}
	v.Frames = strings.Join(frames.Origins, " ")
	v.Mode, v.Subject, v.Phase = "pay", string(p.ID), phaseOf(p, now)
	v.Merchant, v.Description = merchant.Name, p.Description
	if v.State = string(p.State); v.Phase == phaseClosed && p.State == payment.Created {
		v.State = string(payment.Expired)
	}
	v.priced(p.Amount)
	v.held(p.Funds)
	if a := p.Authorization; a != nil {
		v.Most = v.T("most") + " " + v.Symbol + a.AmountMax.Decimal()
	}
	v.ReturnURL, v.CancelURL = comeBack(page.ReturnURL, p.ID), comeBack(page.CancelURL, p.ID)
	switch v.Phase {
	case phaseOpen:
		down, err := c.Payments.IsTakenDown(ctx, string(p.ID))
		if err != nil {
			return err
		}
		if down != "" {
			return payment.TakenDown()
		}
		v.LeftMS, v.Refresh, v.Title = max(1, p.ExpiresAt.Sub(now).Milliseconds()), true, v.T("title")+" · "+merchant.Name
		v.withScript()
		return c.offer(r, v, p)
	case phasePending:
		v.Refresh, v.Mark, v.Headline, v.Said = true, "…", v.T("pending"), v.T("pending_more")
	case phasePaid:
		v.Mark, v.Headline = "✓", v.T("paid")
		if p.State == payment.Authorized {
			v.Headline, v.Said = v.T("authorized"), v.T("authorized_more")
		}
	case phaseClosed:
		v.Mark, v.Said, v.Headline = "✕", v.T("not_charged"), v.T("expired")
		if p.State == payment.Declined || p.State == payment.Voided {
			v.Headline = v.T(string(p.State))
		}
		if v.CancelURL != "" {
			v.ReturnURL = v.CancelURL
		}
	}
	v.withScript()
	return nil
}

// offer gives a view the ways to pay and the code to scan.
func (c *Checkouts) offer(r *http.Request, v *view, p *payment.Payment) error {
	ways, err := c.Ways(r.Context(), Visit{Amount: p.Amount, OnPhone: v.OnPhone})
	if err != nil {
		return err
	}
	for _, way := range ways {
		v.Ways = append(v.Ways, shownWay{
			Method: way.Method, Title: v.lang.of(way.Title), Reason: v.lang.of(way.Reason), Usable: way.Usable,
		})
	}
	code, err := c.Codes.OfPayment(r.Context(), *p)
	if err != nil {
		return err
	}
	picture, err := qr.SVG(code.URL)
	v.Picture = template.HTML(picture) //nolint:gosec // made here, of squares
	return err
}

// onPhone tells phones from other devices by what their browsers say.
func onPhone(r *http.Request) bool {
	return r.Header.Get("Sec-Ch-Ua-Mobile") == "?1" || strings.Contains(r.UserAgent(), "Mobile")
}

// showLink is GET /l/{token}. It makes no payment: previews of chat apps and scanners of mail visit links too.
func (c *Checkouts) showLink(w http.ResponseWriter, r *http.Request) {
	c.linkPage(w, r, http.StatusOK, "")
}

func (c *Checkouts) linkPage(w http.ResponseWriter, r *http.Request, status int, said string) {
	v := c.begin(r)
	link, err := c.linkBy(r.Context(), "token = $1", r.PathValue("token"))
	if err == nil && (link.State != LinkActive || !link.ExpiresAt.IsZero() || link.TakenDown != "") {
		now := link
		now.UsesMax = 0 // whether it is used up, only a use can tell
		err = now.usable(c.Clock.Now())
	}
	if err != nil {
		c.refuse(w, v, err)
		return
	}
	merchant, err := c.Parties.Merchant(r.Context(), link.Merchant)
	if err != nil {
		c.refuse(w, v, err)
		return
	}
	v.Mode, v.Merchant, v.Description, v.Said = "link", merchant.Name, link.Description, said
	v.Title += " · " + merchant.Name
	v.Action = linkPath + link.token + "?lang=" + string(v.lang)
	v.priced(money.Amount{Minor: link.Minor, Currency: link.Currency})
	v.held(link.Funds)
	c.write(w, status, "link", v)
}

// formMax is the largest form that is read.
const formMax = 4 << 10

// useLink is POST /l/{token}: it makes the payment and sends the payer to its page.
func (c *Checkouts) useLink(w http.ResponseWriter, r *http.Request) {
	v := c.begin(r)
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		c.refuse(w, v, notFound())
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	link, err := c.linkBy(r.Context(), "token = $1", r.PathValue("token"))
	if err != nil {
		c.refuse(w, v, err)
		return
	}
	var minor int64
	if link.Minor == 0 {
		typed := strings.NewReplacer("，", ".", ",", ".").Replace(strings.TrimSpace(r.PostFormValue("amount")))
		amount, err := money.ParseDecimal(typed, link.Currency)
		if err != nil || !amount.IsPositive() {
			c.linkPage(w, r, http.StatusUnprocessableEntity, v.T("bad_amount"))
			return
		}
		minor = amount.Minor
	}
	made, err := c.Use(r.Context(), link.token, minor)
	if err != nil {
		c.refuse(w, v, err)
		return
	}
	redirect(w, "/pay/"+string(made.ID), url.Values{
		"key": {c.Codes.PaymentKey(made.ID)}, "lang": {string(v.lang)},
	})
}

// redirect sends a browser to a page of ours.
func redirect(w http.ResponseWriter, path string, query url.Values) {
	header := w.Header()
	header.Set("Location", path+"?"+query.Encode())
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(0))
	w.WriteHeader(http.StatusSeeOther)
}

// told is what a page's script learns of a payment.
type told struct {
	State     payment.State `json:"state"`
	Phase     Phase         `json:"phase"`
	ExpiresAt time.Time     `json:"expires_at"`
}

func (c *Checkouts) tell(p *payment.Payment) told {
	return told{State: p.State, Phase: phaseOf(p, c.Clock.Now()), ExpiresAt: p.ExpiresAt}
}

// showState is GET /pay/{id}/state, for pages that poll.
func (c *Checkouts) showState(w http.ResponseWriter, r *http.Request) {
	known, err := c.opened(r)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	}
	body, err := json.Marshal(c.tell(&known))
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the error says that the caller is gone
}
