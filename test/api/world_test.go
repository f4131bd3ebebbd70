// Package api_test drives a whole instance through its HTTP doors, on SQLite and on PostgreSQL, with the sandbox's
// bank behind it. Every answer is held against the OpenAPI document, and every refused request against the
// database: nothing was written and no event left.
//
// world_test.go has the instance and its people, snapshot_test.go what "nothing was written" means, books_test.go
// how books and bank are compared.
package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// world is one running instance with its bank; a live one has none.
type world struct {
	*app.App
	engine    string
	bank      *bank.Server
	authority *authority.Server
	issuer    *issuer.Server
	sms       *smsc.Server
	url       string
	client    *http.Client
	serial    atomic.Int64
	columns   map[string][]string
}

// each runs test against an instance of its own on every engine; settings may be changed before it starts.
func each(t *testing.T, test func(t *testing.T, w *world), change ...func(*config.Config)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, engine, change...))
		})
	}
}

func start(t *testing.T, engine string, change ...func(*config.Config)) *world {
	t.Helper()
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	cfg := config.Default()
	cfg.DataDir, cfg.Database, cfg.VaultKeyFile = dir, sqldbtest.URL(t, engine), filepath.Join(dir, "vault.key")
	cfg.Listen, cfg.SandboxListen, cfg.AuthorityListen = listener.Addr().String(), "127.0.0.1:0", "127.0.0.1:0"
	cfg.SandboxSMSListen, cfg.SandboxIssuerListen = "127.0.0.1:0", "127.0.0.1:0"
	for _, set := range change {
		set(&cfg)
	}
	must(t, cfg.Validate())
	clk := &clock.Clock{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var (
		server    *bank.Server
		issuers   *issuer.Server
		way       card.Issuer
		centre    *smsc.Server
		outside   app.Outside
		people    *authority.Server
		verifiers []identity.Verifier
	)
	if cfg.Mode == config.Sandbox {
		sandbox, err := app.OpenWorld(cfg)
		must(t, err)
		started, route, err := app.StartBank(ctx, cfg, sandbox, clk)
		must(t, err)
		server, outside.Channels = started, []channel.Channel{route}
		centre, outside.Sender, err = app.StartSMS(ctx, cfg, sandbox, clk)
		must(t, err)
		people, verifiers, err = app.StartAuthority(ctx, cfg, sandbox, clk)
		must(t, err)
		cards, err := app.StartIssuer(ctx, cfg, sandbox, clk)
		must(t, err)
		issuers, way = cards.Server, cards.Binding
		outside.Channels = append(outside.Channels, cards.Orders)
	}
	instance, err := app.NewWith(ctx, cfg, clk, "test", outside)
	must(t, err)
	instance.Identity.Register(verifiers...)
	instance.ConnectIssuer(way)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := instance.Run(ctx, listener); err != nil {
			t.Errorf("the instance stopped: %v", err)
		}
	}()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, ExpectContinueTimeout: time.Minute}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		<-done
		instance.Close()
		if server == nil {
			return
		}
		if err := errors.Join(server.Close(), centre.Close()); err != nil {
			t.Errorf("close the bank and the SMS centre: %v", err)
		}
		if err := people.Close(); err != nil {
			t.Errorf("close the authority: %v", err)
		}
		if err := issuers.Close(); err != nil {
			t.Errorf("close the issuer: %v", err)
		}
	})
	return &world{
		App: instance, engine: engine, bank: server, authority: people, issuer: issuers, sms: centre,
		url:    "http://" + listener.Addr().String(),
		client: &http.Client{Transport: transport},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send sends a request over HTTP.
func (w *world) send(t testing.TB, call apitest.Request) (*http.Request, apitest.Answer) {
	t.Helper()
	var body io.Reader
	switch content := call.Body.(type) {
	case nil:
	case string:
		body = strings.NewReader(content)
	case []byte:
		body = strings.NewReader(string(content))
	default:
		encoded, err := api.Encode(content)
		must(t, err)
		body = strings.NewReader(string(encoded))
	}
	request, err := http.NewRequestWithContext(t.Context(), call.Method, w.url+call.Path, body)
	must(t, err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if call.Token != "" {
		request.Header.Set("Authorization", "Bearer "+call.Token)
	}
	if call.Key != "" {
		request.Header.Set("Idempotency-Key", call.Key)
	}
	for name, value := range call.Header {
		request.Header.Set(name, value)
	}
	response, err := w.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return request, apitest.Answer{Status: response.StatusCode, Header: response.Header, Body: text}
}

// call sends a request and holds the answer against the OpenAPI document.
func (w *world) call(t testing.TB, call apitest.Request) apitest.Answer {
	t.Helper()
	request, answer := w.send(t, call)
	if err := apitest.Verify(w.Server.OpenAPI(), request, answer); err != nil {
		t.Errorf("%s %s: %v", call.Method, call.Path, err)
	}
	return answer
}

// ok is call for a request that must be answered with status; into may be nil.
func (w *world) ok(t testing.TB, status int, call apitest.Request, into any) apitest.Answer {
	t.Helper()
	answer := w.call(t, call)
	if answer.Status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", call.Method, call.Path, answer.Status, status, answer.Body)
	}
	if into != nil {
		answer.JSON(t, into)
	}
	return answer
}

// refused sends a request that must be refused with status and code, and must not write anything.
func (w *world) refused(t testing.TB, status int, code string, call apitest.Request) api.Problem {
	t.Helper()
	before := w.snapshot(t)
	answer := w.call(t, call)
	if answer.Status < http.StatusBadRequest {
		t.Fatalf("%s %s was not refused: %d %s", call.Method, call.Path, answer.Status, answer.Body)
	}
	problem := answer.Problem(t, status, code)
	before.same(t, w.snapshot(t), call.Method+" "+call.Path)
	return problem
}

// next returns a fresh number for keys, phones and accounts.
func (w *world) next() int64 { return w.serial.Add(1) }

func (w *world) key() string { return fmt.Sprintf("key-%d", w.next()) }

// person is a customer with a session, a PIN and an account at the bank.
type person struct {
	id          id.Customer
	phone       string
	token       string
	device      auth.Device
	bankAccount id.BankAccount
	number      string
	cardID      id.Card // of who has one bound
}

const (
	password = "correct horse battery"
	pin      = "739402"
)

// person makes a verified customer with balance, paid in from the bank.
func (w *world) person(t testing.TB, balance int64) person {
	t.Helper()
	n := w.next()
	p := person{phone: fmt.Sprintf("+86139%08d", n), number: fmt.Sprintf("62%014d", n)}
	name := "Person of Test"
	customer, err := w.Auth.Register(t.Context(), auth.Registration{Phone: p.phone, Name: name, Password: password})
	must(t, err)
	in, err := w.Auth.StartSession(t.Context(), customer.ID, auth.DeviceRequest{Name: "phone"})
	must(t, err)
	p.id, p.token, p.device = customer.ID, in.Token, in.Device
	must(t, w.Parties.ChangeClass(t.Context(), p.id, party.ClassMax))
	must(t, w.Auth.SetPIN(t.Context(), auth.PINChange{Customer: p.id, Password: password, NewPIN: pin}))
	must(t, w.bank.OpenAccount(t.Context(), bank.SeedAccount{
		Number: p.number, HolderName: name, Balance: cny(1_000_000_00),
	}))
	var account struct {
		ID id.BankAccount `json:"id"`
	}
	w.ok(t, 201, apitest.Request{
		Method: "POST", Path: "/wallet/v1/bank_accounts", Token: p.token,
		Body: map[string]any{"number": p.number, "holder_name": name},
	}, &account)
	p.bankAccount = account.ID
	if balance > 0 {
		w.topUp(t, p, balance)
		w.quiet(t)
	}
	return p
}

// topUp tops up and waits until it has succeeded.
func (w *world) topUp(t testing.TB, p person, amount int64) payment.TopUp {
	t.Helper()
	return w.topUpBy(t, p, p.bankMoney(w, "/wallet/v1/top_ups", amount))
}

func (w *world) topUpBy(t testing.TB, p person, call apitest.Request) payment.TopUp {
	t.Helper()
	var topUp payment.TopUp
	w.ok(t, 201, call, &topUp)
	for range 20 {
		w.ok(t, 200, get("/wallet/v1/top_ups/"+string(topUp.ID)+"?wait=5", p.token), &topUp)
		if topUp.State != payment.TopUpPending {
			break
		}
	}
	if topUp.State != payment.Succeeded {
		t.Fatalf("top-up of %s is %s", topUp.Amount, topUp.State)
	}
	return topUp
}

func (p person) bankMoney(w *world, path string, amount int64) apitest.Request {
	return apitest.Request{Method: "POST", Path: path, Token: p.token, Key: w.key(), Body: map[string]any{
		"amount": amount, "currency": "CNY", "bank_account_id": p.bankAccount, "pin": pin,
	}}
}

func (p person) transfer(w *world, to person, amount int64) apitest.Request {
	return apitest.Request{
		Method: "POST",
		Path:   "/wallet/v1/transfers",
		Token:  p.token,
		Key:    w.key(),
		Body: map[string]any{
			"amount": amount, "currency": "CNY", "payee": to.phone, "pin": pin,
		},
	}
}

func (p person) confirm(w *world, name id.Payment) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: "/wallet/v1/payments/" + string(name) + "/confirm", Token: p.token, Key: w.key(),
		Body: map[string]any{"pin": pin},
	}
}

// code asks for a payment code.
func (w *world) code(t testing.TB, p person) string {
	t.Helper()
	var code struct {
		Code string `json:"payment_code"`
	}
	w.ok(t, 201, apitest.Request{Method: "POST", Path: "/wallet/v1/payment_codes", Token: p.token}, &code)
	return code.Code
}

// shop is a merchant with a secret key.
type shop struct {
	id    id.Merchant
	token string
	key   id.APIKey
}

func (w *world) shop(t testing.TB, terms party.NewMerchant) shop {
	t.Helper()
	terms.Name = fmt.Sprintf("Shop %d", w.next())
	merchant, err := w.Parties.CreateMerchant(t.Context(), terms)
	must(t, err)
	key, secret, err := w.Auth.CreateKey(t.Context(), merchant.ID, "test")
	must(t, err)
	return shop{id: merchant.ID, token: secret, key: key.ID}
}

func (s shop) order(w *world, amount int64, more map[string]any) apitest.Request {
	body := map[string]any{"amount": amount, "currency": "CNY"}
	maps.Copy(body, more)
	return apitest.Request{Method: "POST", Path: "/v1/payments", Token: s.token, Key: w.key(), Body: body}
}

func (s shop) refund(w *world, of id.Payment, body map[string]any) apitest.Request {
	return apitest.Request{
		Method: "POST",
		Path:   "/v1/payments/" + string(of) + "/refunds",
		Token:  s.token,
		Key:    w.key(),
		Body:   body,
	}
}

func (s shop) void(w *world, of id.Payment) apitest.Request {
	return apitest.Request{Method: "POST", Path: "/v1/payments/" + string(of) + "/void", Token: s.token, Key: w.key()}
}

// created makes a payment that waits for its payer.
func (w *world) created(t testing.TB, s shop, amount int64) payment.Payment {
	t.Helper()
	var made payment.Payment
	w.ok(t, 201, s.order(w, amount, nil), &made)
	return made
}

// paid makes a payment and pays it.
func (w *world) paid(t testing.TB, s shop, p person, amount int64) payment.Payment {
	t.Helper()
	made := w.created(t, s, amount)
	w.ok(t, 200, p.confirm(w, made.ID), nil)
	w.ok(t, 200, get("/v1/payments/"+string(made.ID), s.token), &made)
	return made
}

// staff signs a person of the operator in.
func (w *world) staff(t testing.TB, role party.Role) string {
	t.Helper()
	email := fmt.Sprintf("%s-%d@example.com", role, w.next())
	_, err := w.Auth.CreateStaff(
		t.Context(),
		auth.NewStaff{Email: email, Name: "Staff of Test", Role: role, Password: password},
	)
	must(t, err)
	return w.signInStaff(t, email)
}

// signInStaff opens a session with an authenticator app, which it sets up before.
func (w *world) signInStaff(t testing.TB, email string) string {
	t.Helper()
	request := auth.StaffSignInRequest{Email: email, Password: password}
	enrolment, err := w.Auth.BeginStaffTOTP(t.Context(), request)
	must(t, err)
	request.TOTP, err = auth.TOTPCode(enrolment.Secret, w.Clock.Now())
	must(t, err)
	in, err := w.Auth.SignInStaff(t.Context(), request)
	must(t, err)
	return in.Token
}

func get(path, token string) apitest.Request {
	return apitest.Request{Method: "GET", Path: path, Token: token}
}

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

// eventually waits for a condition that the instance brings about by itself; its limit only keeps a broken
// instance from hanging.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for range 6000 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: did not come about", what)
}

// count reads one number.
func (w *world) count(t testing.TB, query string, args ...any) int64 {
	t.Helper()
	var n int64
	must(t, w.DB.Read.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// events counts the stored events of a kind whose subject the query returns.
func (w *world) events(t testing.TB, kind, subjects string, args ...any) (n int) {
	t.Helper()
	stored := w.texts(t, "SELECT items FROM events")
	for _, subject := range w.texts(t, subjects, args...) {
		for _, items := range stored {
			n += strings.Count(items, fmt.Sprintf(`"kind":%q,"subject":%q`, kind, subject))
		}
	}
	return n
}

// texts returns a query's only column.
func (w *world) texts(t testing.TB, query string, args ...any) (all []string) {
	t.Helper()
	rows, err := w.DB.Read.QueryContext(t.Context(), query, args...)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		must(t, rows.Scan(&text))
		all = append(all, text)
	}
	must(t, rows.Err())
	return all
}

// jsonOf returns v as a map, for comparing members.
func jsonOf(t testing.TB, body []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return out
}

const hour = time.Hour

// instant is a time for ids that nothing has.
var instant = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
