package crashtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/wallet"
)

// Town is the people around a platform, and all they did.
type Town struct {
	// Seed makes the same wishes again; FEIQIAN_TEST_SEED sets it.
	Seed uint64
	// Faulty lets acts end in the ways that only a town with moving clocks has.
	Faulty bool

	t         *testing.T
	begun     time.Time
	client    *http.Client
	bases     []string // any of them answers for the platform
	banks     []string // the banks of the instances, on one set of books
	issuers   []string // the card issuers, likewise
	inboxes   []string // their SMS centres
	staff     string
	ahead     atomic.Int64 // nanoseconds that the platform's clock is in front of ours
	actors    uint64
	people    []*person
	merchants []*merchant

	mu   sync.Mutex
	acts []*act
	paid []*act // payments that succeeded
}

type person struct {
	id, phone, password, pin  string
	bankNumber, bankAccountID string
	cardNumber, cardID        string
	token                     string
	phones                    []*phone
}

// phone is a signed-in device; one actor uses it.
type phone struct {
	owner  *person
	token  string
	handle string
	secret [vault.KeySize]byte
	step   int64
	n      int
}

type merchant struct {
	id, key string
	feeBps  int64
}

const (
	newcomers      = 3 // people who register, beside those of the sandbox's world
	phonesEach     = 3
	firstMoney     = 500_000
	customerAtBank = 100_000_000 // what bank.SeedAccounts gives each
)

// SeedOf returns the seed of this run.
func SeedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("FEIQIAN_TEST_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("FEIQIAN_TEST_SEED: %v", err)
		}
	}
	t.Logf("FEIQIAN_TEST_SEED=%d makes the same wishes again", seed)
	return seed
}

// NewTown signs everybody in and gives them some money. The instances are ready.
func NewTown(t *testing.T, seed uint64, instances ...*Instance) *Town {
	t.Helper()
	town := &Town{Seed: seed, t: t, begun: time.Now(), client: newClient()}
	t.Cleanup(town.client.CloseIdleConnections)
	for _, i := range instances {
		town.bases, town.banks = append(town.bases, i.URL), append(town.banks, i.BankURL)
		town.inboxes, town.issuers = append(town.inboxes, i.SMSURL), append(town.issuers, i.IssuerURL)
	}
	world, err := app.LoadWorld(instances[0].Config)
	if err != nil {
		t.Fatalf("load the world: %v", err)
	}
	town.signInStaff(world)
	for _, m := range world.Merchants {
		town.merchants = append(town.merchants, &merchant{id: m.ID, key: m.Key, feeBps: m.FeeBps})
	}
	for _, c := range world.Customers {
		p := &person{phone: c.Phone, password: c.Password, pin: c.PIN, bankNumber: c.BankAccount}
		town.people = append(town.people, p)
	}
	town.register()
	for i, p := range town.people {
		town.signIn(p)
		town.bindCard(p, i)
	}
	return town
}

func (town *Town) signInStaff(world app.World) {
	town.t.Helper()
	for _, s := range world.Staff {
		if s.Role == party.RoleAdmin {
			var session struct {
				Token string `json:"token"`
			}
			code, err := auth.TOTPCode(app.SandboxTOTP, time.Now())
			if err != nil {
				town.t.Fatal(err)
			}
			town.must(call{Method: http.MethodPost, Path: "/ops/v1/login", Body: map[string]any{
				"email": s.Email, "password": s.Password, "totp": code,
			}}, &session)
			town.staff = session.Token
		}
	}
}

// register brings the newcomers, with accounts that the bank's seed has.
func (town *Town) register() {
	town.t.Helper()
	accounts := []struct{ number, name string }{
		{"9555010000000041", "刘洋"}, {"9555010000000058", "陈静"}, {"9555010000000066", "杨帆"},
	}
	for i := range newcomers {
		p := &person{
			phone: fmt.Sprintf(
				"+86139000000%02d",
				i,
			),
			password:   "a long password",
			pin:        "739402",
			bankNumber: accounts[i].number,
		}
		var session sessionView
		codeID, code := town.code(p.phone, "register")
		town.must(call{Method: http.MethodPost, Path: "/wallet/v1/register", Body: map[string]any{
			"phone": p.phone, "name": accounts[i].name, "password": p.password, "code_id": codeID, "code": code,
		}}, &session)
		town.must(call{Method: http.MethodPut, Path: "/wallet/v1/pin", Token: session.Token, Body: map[string]any{
			"pin": p.pin, "password": p.password,
		}}, nil)
		town.must(call{Method: http.MethodPost, Path: "/wallet/v1/bank_accounts", Token: session.Token, Body: map[string]any{
			"number": p.bankNumber, "holder_name": accounts[i].name,
		}}, nil)
		town.people = append(town.people, p)
	}
}

// code asks for a one-time code and reads it in the phone's inbox: at the SMS centre of the node that sent it.
func (town *Town) code(number, purpose string) (codeID, digits string) {
	town.t.Helper()
	known := len(town.codes(number))
	var sent struct {
		ID string `json:"code_id"`
	}
	town.must(call{Method: http.MethodPost, Path: "/wallet/v1/codes", Body: map[string]any{
		"phone": number, "purpose": purpose,
	}}, &sent)
	for range 600 {
		for _, code := range town.codes(number)[known:] {
			return sent.ID, code
		}
		time.Sleep(50 * time.Millisecond)
	}
	town.t.Fatalf("%s got no code", number)
	return "", ""
}

// codes returns all codes that a phone got. A centre that was killed has forgotten its own.
func (town *Town) codes(number string) (all []string) {
	town.t.Helper()
	for _, centre := range town.inboxes {
		request, err := http.NewRequestWithContext(town.t.Context(), http.MethodGet,
			centre+"/control/messages?phone="+url.QueryEscape(number), http.NoBody)
		if err != nil {
			town.t.Fatal(err)
		}
		response, err := town.client.Do(request)
		if err != nil {
			continue
		}
		var inbox struct {
			Messages []smsc.Text `json:"messages"`
		}
		err = json.NewDecoder(response.Body).Decode(&inbox)
		_ = response.Body.Close()
		if err != nil {
			town.t.Fatal(err)
		}
		for _, text := range inbox.Messages {
			if code := smsc.CodeIn(text.Text); code != "" {
				all = append(all, code)
			}
		}
	}
	return all
}

type sessionView struct {
	Token    string `json:"token"`
	Customer struct {
		ID string `json:"id"`
	} `json:"customer"`
	Device struct {
		Handle string `json:"handle"`
		Secret string `json:"secret"`
	} `json:"device"`
}

func (town *Town) signIn(p *person) {
	town.t.Helper()
	for range phonesEach {
		var session sessionView
		codeID, code := town.code(p.phone, "sign_in")
		town.must(call{Method: http.MethodPost, Path: "/wallet/v1/login", Body: map[string]any{
			"phone": p.phone, "password": p.password, "device_name": "test", "code_id": codeID, "code": code,
		}}, &session)
		secret, err := base64.RawURLEncoding.DecodeString(session.Device.Secret)
		if err != nil || len(secret) != vault.KeySize {
			town.t.Fatalf("device secret: %v", err)
		}
		p.id, p.token = session.Customer.ID, session.Token
		p.phones = append(p.phones, &phone{
			owner: p, token: session.Token, handle: session.Device.Handle, secret: [vault.KeySize]byte(secret),
		})
	}
	var accounts struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	town.must(call{Method: http.MethodGet, Path: "/wallet/v1/bank_accounts", Token: p.token}, &accounts)
	if len(accounts.Data) != 1 {
		town.t.Fatalf("%s has %d bank accounts", p.phone, len(accounts.Data))
	}
	p.bankAccountID = accounts.Data[0].ID
	first := &act{
		kind: topUp, payer: p, amount: firstMoney,
		call: bankMoney(p.phones[0], "/wallet/v1/top_ups", "first-"+p.id, firstMoney),
	}
	if !town.settle(rand.New(rand.NewPCG(town.Seed, 0)), first) {
		town.t.Fatal("there is no first money")
	}
	var done result
	town.must(
		call{Method: http.MethodGet, Path: "/wallet/v1/top_ups/" + first.result.ID + "?wait=20", Token: p.token},
		&done,
	)
	if done.State != stateSucceeded {
		town.t.Fatalf("the first money is %s", done.State)
	}
}

// cardLimit is what the sandbox's issuer lets every card be debited in a day.
const cardLimit = 1_000_000

// bindCard gives a person a card and binds it.
func (town *Town) bindCard(p *person, serial int) {
	town.t.Helper()
	plastic := issuer.Card{
		Number: issuer.Number(issuer.NumberForm{Prefix: "622202", Length: 19, Serial: 9_000 + serial}),
		Holder: "Person of Town", Document: "11010519491231002X", Phone: p.phone,
	}
	p.cardNumber = plastic.Number
	bank := town.at(town.issuers[0])
	bank.must(call{Method: http.MethodPost, Path: "/control/cards", Body: plastic}, nil)
	var card struct{ ID, State string }
	town.must(call{Method: http.MethodPost, Path: "/wallet/v1/cards", Token: p.token, Body: map[string]any{
		"number": plastic.Number, "holder_name": plastic.Holder, "document_number": plastic.Document, "phone": p.phone,
		"pin": p.pin,
	}}, &card)
	var sent struct {
		Codes []struct{ Reference, Code string } `json:"codes"`
	}
	bank.must(call{Method: http.MethodGet, Path: "/control/codes"}, &sent)
	for _, code := range sent.Codes {
		if code.Reference == card.ID {
			town.must(call{
				Method: http.MethodPost, Path: "/wallet/v1/cards/" + card.ID + "/confirm", Token: p.token,
				Body: map[string]any{"code": code.Code},
			}, &card)
		}
	}
	if card.State != "bound" {
		town.t.Fatalf("the card of %s is %s", p.phone, card.State)
	}
	p.cardID = card.ID
}

// must makes a call that has to be answered well, and reads the answer. It waits for a platform that is
// not there for a moment.
func (town *Town) must(c call, into any) {
	town.t.Helper()
	var last string
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		r, err := send(town.t.Context(), town.client, town.bases[0], c)
		switch {
		case err != nil:
			last = err.Error()
		case r.Status < http.StatusMultipleChoices:
			if into == nil {
				return
			}
			if err := json.Unmarshal(r.Body, into); err != nil {
				town.t.Fatalf("%s %s: %v in %s", c.Method, c.Path, err, r.Body)
			}
			return
		case r.Status < http.StatusInternalServerError && r.Status != http.StatusTooManyRequests:
			town.t.Fatalf("%s %s: %d %s", c.Method, c.Path, r.Status, r.Body)
		default:
			last = fmt.Sprintf("%d %s", r.Status, r.Body)
		}
	}
	town.t.Fatalf("%s %s: no answer in %s; the last was %s", c.Method, c.Path, patience, last)
}

// now is the platform's time.
func (town *Town) now() time.Time { return time.Now().Add(time.Duration(town.ahead.Load())) }

// Advance moves the clocks of all instances forward, by whole seconds.
func (town *Town) Advance(d time.Duration) {
	town.t.Helper()
	d = d.Truncate(time.Second)
	town.ahead.Add(int64(d))
	for i := range town.bases {
		one := &Town{t: town.t, client: town.client, bases: town.bases[i : i+1]}
		one.must(call{Method: http.MethodPost, Path: "/ops/v1/sandbox/clock", Token: town.staff, Body: map[string]any{
			"seconds": int64(d / time.Second),
		}}, nil)
	}
}

// Faults are troubles of the banks' lines: a wait before each answer, and requests and answers that are dropped.
type Faults struct{ LatencyMS, DropBefore, DropAfter int }

// SetFaults sets the troubles of the lines of all instances, to their banks and card issuers.
func (town *Town) SetFaults(faults Faults) {
	town.t.Helper()
	for _, other := range slices.Concat(town.banks, town.issuers) {
		town.at(other).must(call{Method: http.MethodPost, Path: "/control/faults", Body: map[string]any{
			"latency_ms": faults.LatencyMS, "drop_before": faults.DropBefore, "drop_after": faults.DropAfter,
		}}, nil)
	}
}

// at returns a town whose calls go to a bank or an issuer.
func (town *Town) at(base string) *Town {
	return &Town{t: town.t, client: town.client, bases: []string{base}}
}

// nextCode is the next code of the phone, "" when it has used all it may for now.
func (p *phone) nextCode(now time.Time) string {
	const codesEach = 10
	step := wallet.StepOf(now)
	if p.step < step {
		p.step, p.n = step, 0
	} else if p.n++; p.n == codesEach {
		p.step, p.n = p.step+1, 0
	}
	if p.step > step+1 {
		return ""
	}
	return wallet.ComputeCode(p.secret, p.handle, p.step, p.n)
}
