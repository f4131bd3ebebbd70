// Package inapp lets a merchant's app hand a payment to the wallet on the same phone, and the wallet hand the payer
// back.
//
// The merchant's server asks for an app request: a document signed by the platform that names the payment, the app and
// the address back. The app opens the wallet with it; the wallet sends it here (Open), which shows what is paid only if
// the document is as it was signed, in time, and nobody else has opened it. The payer pays as always. Then the wallet
// asks for the way back (Back): the address with a signed result. Apps are on the payer's phone, so neither document
// decides anything: what is paid, the merchant's server asks the API.
package inapp

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/jws"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Types of the signed documents.
const (
	RequestType = "feiqian-app-request+jwt"
	ResultType  = "feiqian-app-result+jwt"
)

// Limits of app requests.
const (
	ExpiryDefault = 5 * time.Minute
	ExpiryMax     = 15 * time.Minute
	resultLife    = 10 * time.Minute
	appMax        = 128
	addressMax    = 1000
	// scheme opens the wallet on a phone.
	scheme = "feiqian://pay?request="
	// resultParam is the member of the query in which a result comes back.
	resultParam = "feiqian_result"
)

// AppRequest is an app request, as the merchant's server gets it.
type AppRequest struct {
	ID        id.AppRequest `json:"id"`
	Payment   id.Payment    `json:"payment_id"`
	App       string        `json:"app" example:"com.example.shop"`
	ReturnURL string        `json:"return_url" example:"exampleshop://paid"`
	ExpiresAt time.Time     `json:"expires_at"`
	CreatedAt time.Time     `json:"created_at"`
	Document  string        `json:"request" doc:"The signed request: a JWS in compact form. Hand it to your app."`
	URI       string        `json:"uri" doc:"What your app opens: it leads into the wallet." example:"feiqian://pay?request=eyJhbGci…"`

	merchant id.Merchant
	customer id.Customer
	opened   time.Time
}

// Claims are what a signed request says (RFC 7519 §4.1 names the short ones).
type Claims struct {
	ID        id.AppRequest  `json:"jti"`
	Payment   id.Payment     `json:"sub"`
	Merchant  id.Merchant    `json:"merchant_id"`
	App       string         `json:"app"`
	ReturnURL string         `json:"return_url"`
	Amount    int64          `json:"amount"`
	Currency  money.Currency `json:"currency"`
	IssuedAt  int64          `json:"iat"`
	Expires   int64          `json:"exp"`
}

// Result is what a signed result says: what the payment was when the payer went back.
type Result struct {
	ID       id.AppRequest  `json:"jti"`
	Payment  id.Payment     `json:"sub"`
	Merchant id.Merchant    `json:"merchant_id"`
	App      string         `json:"app"`
	State    payment.State  `json:"state"`
	Amount   int64          `json:"amount"`
	Currency money.Currency `json:"currency"`
	IssuedAt int64          `json:"iat"`
	Expires  int64          `json:"exp"`
}

// Parts are what Requests is made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Payments  *payment.Payments
	Signer    *jws.Signer
}

// Requests runs the acts of this package.
type Requests struct {
	Parts
	table *commit.Table[AppRequest]
}

// New returns Requests on its parts, and registers its table.
func New(parts Parts) *Requests {
	return &Requests{Parts: parts, table: requestsTable(parts.Committer)}
}

// Keys are the public keys of requests and results.
func (r *Requests) Keys() jws.KeySet { return jws.KeySet{Keys: []jws.JWK{r.Signer.Public()}} }

// NewRequest asks for an app request. ExpiresIn 0 is ExpiryDefault; it never outlives the payment's own time.
type NewRequest struct {
	Merchant  id.Merchant
	Payment   id.Payment
	App       string
	ReturnURL string
	ExpiresIn time.Duration
}

// Create signs a request for a payment that waits for its payer. Errors: app_request.bad_app, app_request.bad_url,
// payment.not_found, payment.already_*, payment.expired.
func (r *Requests) Create(ctx context.Context, n NewRequest) (AppRequest, error) {
	if !appName.MatchString(n.App) || len(n.App) > appMax {
		return AppRequest{}, fault.New(fault.Invalid, "app_request.bad_app",
			"an app is named as its system names it, like com.example.shop").WithParam("app")
	}
	if err := checkReturn(n.ReturnURL); err != nil {
		return AppRequest{}, err
	}
	known, err := r.Payments.OfMerchant(ctx, n.Merchant, n.Payment)
	if err != nil {
		return AppRequest{}, err
	}
	now := r.Clock.Now()
	if err := known.Waiting(now); err != nil {
		return AppRequest{}, err
	}
	if n.ExpiresIn == 0 {
		n.ExpiresIn = ExpiryDefault
	}
	expires := now.Add(min(n.ExpiresIn, ExpiryMax)).Truncate(time.Second)
	if known.ExpiresAt.Before(expires) {
		expires = known.ExpiresAt.Truncate(time.Second)
	}
	row := AppRequest{
		ID: id.New[id.AppRequest](now), Payment: known.ID, App: n.App, ReturnURL: n.ReturnURL, ExpiresAt: expires,
		merchant: known.Merchant,
	}
	row.Document, err = r.Signer.Sign(RequestType, Claims{
		ID: row.ID, Payment: known.ID, Merchant: known.Merchant, App: row.App, ReturnURL: row.ReturnURL,
		Amount: known.Minor, Currency: known.Currency, IssuedAt: now.Unix(), Expires: expires.Unix(),
	})
	if err != nil {
		return AppRequest{}, fault.Wrap(err, "sign an app request")
	}
	row.URI = scheme + row.Document
	err = r.Committer.Do(ctx, nil, func(tx *commit.Tx) error {
		row.CreatedAt = tx.Now()
		r.table.Put(tx, row)
		return nil
	})
	return row, fault.Wrap(err, "store an app request")
}

// appName is an Android package name or an Apple bundle identifier.
var appName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$`)

// closed are schemes that lead into browsers and systems and not into an app.
var closed = []string{ //nolint:gochecknoglobals // a table
	"http", "javascript", "data", "file", "vbscript", "blob", "about", "intent", "content", "ws", "wss", "feiqian",
}

// checkReturn refuses an address that does not lead back into an app: its own scheme, or https that the app claims.
func checkReturn(text string) error {
	address, err := url.Parse(text)
	if err != nil || len(text) > addressMax || address.Scheme == "" || address.Host == "" || address.User != nil ||
		address.Fragment != "" || slices.Contains(closed, strings.ToLower(address.Scheme)) ||
		strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return fault.New(fault.Invalid, "app_request.bad_url", "this address does not lead back into an app").
			WithParam("return_url").WithHint("use your app's scheme, like exampleshop://paid, or an https link that it claims")
	}
	return nil
}
