package bank

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/money"
)

// stage is a running bank and the platform that talks to it, without the platform's adapter.
type stage struct {
	*Server
	config Config
	key    httpsig.PrivateKey
}

// start starts a bank whose slow effects are quick.
func start(t *testing.T, change func(c *Config)) *stage {
	t.Helper()
	keys, err := GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Keys: keys, Clock: new(clock.Clock), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Timing: Timing{SlowAnswer: time.Millisecond, Hold: time.Millisecond, PendingFor: time.Hour, LateNotice: time.Hour},
	}
	if change != nil {
		change(&config)
	}
	s := &stage{config: config, key: keys.Platform}
	s.restart(t)
	return s
}

// restart starts the bank, again.
func (s *stage) restart(t *testing.T) {
	t.Helper()
	if s.Server != nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	server, err := Start(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = server
	t.Cleanup(func() { _ = server.Close() })
}

// call sends a signed request and reads the answer into answer; the status is 0 when none came.
func (s *stage) call(t *testing.T, method, path, body string, answer any) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	message := httpsig.Message{
		Method: method, Path: request.URL.EscapedPath(), RawQuery: request.URL.RawQuery,
		Header: request.Header, Body: []byte(body),
	}
	if err := httpsig.Sign(message, s.key, s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	return s.do(t, request, answer)
}

func (s *stage) do(t *testing.T, request *http.Request, answer any) int {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(raw, answer); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	return response.StatusCode
}

// control calls the control API.
func (s *stage) control(t *testing.T, method, path, body string, answer any) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, request, answer)
}

// token binds a seeded account.
func (s *stage) token(t *testing.T, number, name string) string {
	t.Helper()
	var bound bindAnswer
	body := `{"number":"` + number + `","holder_name":"` + name + `"}`
	if status := s.call(t, "POST", "/bank/v1/bind", body, &bound); status != 200 {
		t.Fatalf("bind: %d", status)
	}
	return bound.Token
}

// zhang binds the first account of the seed.
func (s *stage) zhang(t *testing.T) string {
	t.Helper()
	return s.token(t, "9555010000000017", "张伟")
}

// payIn sends a pay-in and returns the answer, empty when none came.
func (s *stage) payIn(t *testing.T, reference, token string, minor int64) orderAnswer {
	t.Helper()
	var told orderAnswer
	s.call(t, "POST", "/bank/v1/pay_in", orderBody(reference, token, minor), &told)
	return told
}

func orderBody(reference, token string, minor int64) string {
	return `{"reference":"` + reference + `","account_token":"` + token +
		`","amount":` + strconv.FormatInt(minor, 10) + `,"currency":"CNY"}`
}

// balances returns the balance by account, and fails when they do not sum to zero.
func (s *stage) balances(t *testing.T) map[string]int64 {
	t.Helper()
	accounts, err := s.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, sums := map[string]int64{}, map[money.Currency]int64{}
	for _, a := range accounts {
		all[a.Number] = a.Balance.Minor
		sums[a.Balance.Currency] += a.Balance.Minor
		if a.Kind != kindCapital && a.Balance.Minor < 0 {
			t.Errorf("%s is below zero: %d", a.Number, a.Balance.Minor)
		}
	}
	for currency, sum := range sums {
		if sum != 0 {
			t.Errorf("all balances in %s together are %d", currency, sum)
		}
	}
	return all
}

func TestMagicAmounts(t *testing.T) {
	t.Parallel()
	seen := map[int64]bool{}
	for _, line := range MagicAmounts() {
		if line.Remainder < 9001 || line.Remainder > 9020 || seen[line.Remainder] {
			t.Errorf("remainder %d", line.Remainder)
		}
		seen[line.Remainder] = true
		if (line.Effect == EffectDecline) != (line.DeclineCode != "") || line.Description == "" {
			t.Errorf("line %+v", line)
		}
		example, err := money.ParseDecimal(line.Example, "CNY")
		if err != nil || magicOf(MagicAmounts(), example) != line {
			t.Errorf("%s: %+v, %v", line.Example, magicOf(MagicAmounts(), example), err)
		}
	}
	for _, minor := range []int64{1, 1000, 9000, 9010, 9021, 9900, 9999, 10_000, 19_000, 100_000_00} {
		if got := magicOf(MagicAmounts(), money.Amount{Minor: minor, Currency: "CNY"}); got.Effect != EffectNone {
			t.Errorf("%d has effect %s", minor, got.Effect)
		}
	}
}

// The books, the bindings, pending orders and notices survive a restart.
func TestRestart(t *testing.T) {
	t.Parallel()
	got := make(chan orderAnswer, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var told orderAnswer
		_ = json.NewDecoder(r.Body).Decode(&told)
		got <- told
	}))
	t.Cleanup(receiver.Close)
	s := start(t, func(c *Config) { c.DatabasePath = filepath.Join(t.TempDir(), "a bank?.db") })
	token := s.zhang(t)
	booked := s.payIn(t, "att_1", token, 5000)
	if told := s.payIn(t, "att_2", token, 9015); told.Status != statusPending {
		t.Fatalf("got %+v", told)
	}
	before := s.balances(t)
	s.restart(t)
	if after := s.balances(t); after["9555010000000017"] != before["9555010000000017"] || len(after) != len(before) {
		t.Errorf("balances %v, before %v", after, before)
	}
	if again := s.zhang(t); again != token {
		t.Errorf("the token is %s, was %s", again, token)
	}
	if again := s.payIn(t, "att_1", token, 5000); again != booked {
		t.Errorf("got %+v, first %+v", again, booked)
	}
	s.Notify(receiver.URL)
	if told := <-got; told.Reference != "att_1" || told.Status != statusSucceeded {
		t.Errorf("got %+v", told)
	}
	s.clock.Advance(2 * time.Hour) // past the hour that this bank leaves orders pending
	if told := <-got; told.Reference != "att_2" || told.Status != statusSucceeded {
		t.Errorf("got %+v", told)
	}
	if after := s.balances(t); after["reserve-CNY"] != 5000+9015 {
		t.Errorf("the reserve is %d", after["reserve-CNY"])
	}
}

// A pending order for which there is no money when its time comes is declined.
func TestSettle_TooLow(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	token := s.token(t, "9555010000000900", "孙小钱") // has 1000
	s.payIn(t, "att_1", token, 9015)
	s.clock.Advance(2 * time.Hour)
	if err := s.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var told orderAnswer
	s.call(t, "GET", "/bank/v1/orders/att_1", "", &told)
	if told.Status != statusDeclined || told.DeclineCode != declineInsufficientFunds || !told.BookedAt.IsZero() {
		t.Errorf("got %+v", told)
	}
	if s.balances(t)["9555010000000900"] != 1000 {
		t.Error("money moved")
	}
}

// A notice that is not taken comes again, by the table, until it is given up.
func TestNotice_Retries(t *testing.T) {
	t.Parallel()
	refuse, calls := make(chan bool, 1), make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var told orderAnswer
		_ = json.NewDecoder(r.Body).Decode(&told)
		if <-refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		calls <- told.NoticeID
	}))
	t.Cleanup(receiver.Close)
	s := start(t, func(c *Config) { c.NotifyURL = receiver.URL })
	s.payIn(t, "att_1", s.zhang(t), 5000)
	refuse <- true
	first := <-calls
	for range 5 {
		refuse <- true
		for len(calls) == 0 {
			s.clock.Advance(time.Second) // the bank's worker looks again and again
			time.Sleep(time.Millisecond)
		}
		if again := <-calls; again != first {
			t.Errorf("the notice is %s, was %s", again, first)
		}
	}
	waitFor(t, s, `SELECT count(*) FROM notices WHERE state = 'given_up' AND tries = 6`)
	refuse <- false
	var answer map[string]int64
	status := s.control(t, "POST", "/control/notices/att_1/resend", "", &answer)
	if status != 200 || answer["notices"] != 1 {
		t.Errorf("resend: %d %v", status, answer)
	}
	if again := <-calls; again != first {
		t.Errorf("resent %s, was %s", again, first)
	}
	waitFor(t, s, `SELECT count(*) FROM notices WHERE state = 'delivered'`)
}

// waitFor waits until the query counts 1.
func waitFor(t *testing.T, s *stage, query string) {
	t.Helper()
	for count := 0; count != 1; time.Sleep(time.Millisecond) {
		if err := s.db.QueryRowContext(t.Context(), query).Scan(&count); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever is not signed by the platform, or seen before, is refused and books nothing.
func TestSigned_Refused(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	body := orderBody("att_1", s.zhang(t), 5000)
	stranger, err := httpsig.GenerateKey(s.key.ID)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(key httpsig.PrivateKey, at time.Time) http.Header {
		header := http.Header{}
		message := httpsig.Message{Method: "POST", Path: "/bank/v1/pay_in", Header: header, Body: []byte(body)}
		if err := httpsig.Sign(message, key, at); err != nil {
			t.Fatal(err)
		}
		return header
	}
	send := func(header http.Header, body string) int {
		request, _ := http.NewRequestWithContext(
			t.Context(), http.MethodPost, s.URL()+"/bank/v1/pay_in", strings.NewReader(body))
		request.Header = header
		return s.do(t, request, nil)
	}
	now := s.clock.Now()
	for name, status := range map[string]int{
		"Unsigned": send(http.Header{}, body),
		"Stranger": send(sign(stranger, now), body),
		"Old":      send(sign(s.key, now.Add(-time.Hour)), body),
		"Changed":  send(sign(s.key, now), strings.Replace(body, "5000", "5001", 1)),
	} {
		if status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	if s.balances(t)["reserve-CNY"] != 0 {
		t.Error("money moved")
	}
	once := sign(s.key, now)
	if first, second := send(once, body), send(once, body); first != 200 || second != http.StatusUnauthorized {
		t.Errorf("the same nonce: %d, then %d", first, second)
	}
}

func TestOrder_Malformed(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	token := s.zhang(t)
	s.payIn(t, "att_used", token, 5000)
	for name, tc := range map[string]struct {
		body   string
		status int
		code   string
		booked bool // whether the answer says that nothing is booked
	}{
		"NotJSON":       {`amount=1`, 400, "unreadable", false},
		"TwoValues":     {orderBody("att_1", token, 1) + `{}`, 400, "unreadable", false},
		"UnknownMember": {`{"reference":"att_1","more":1}`, 400, "unreadable", false},
		"Fraction":      {strings.Replace(orderBody("att_1", token, 1), ":1,", ":1.5,", 1), 400, "unreadable", false},
		"BadReference":  {orderBody("a b", token, 1), 422, "invalid_order", false},
		"NoAmount":      {orderBody("att_1", token, 0), 422, "invalid_order", true},
		"Negative":      {orderBody("att_1", token, -5), 422, "invalid_order", true},
		"BadCurrency":   {strings.Replace(orderBody("att_1", token, 1), "CNY", "ABC", 1), 422, "invalid_order", true},
		"NoAccount":     {orderBody("att_1", "", 1), 422, "invalid_order", true},
		"UsedReference": {orderBody("att_used", token, 0), 409, "reference_reused", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p problem
			status := s.call(t, "POST", "/bank/v1/pay_in", tc.body, &p)
			if status != tc.status || p.Code != tc.code || (p.Booked != nil) != tc.booked {
				t.Errorf("got %d %+v", status, p)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	token := s.zhang(t)
	set := func(body string) {
		if status := s.control(t, "POST", "/control/faults", body, nil); status != 200 {
			t.Fatalf("set faults: %d", status)
		}
	}
	set(`{"drop_before":1}`)
	if status, _ := s.tryPay(t, "att_1", token); status != 0 {
		t.Errorf("got %d", status)
	}
	if movements, _ := s.Booked(t.Context(), "att_1"); movements != 0 {
		t.Error("a dropped request was booked")
	}
	set(`{"drop_after":1}`)
	if status, _ := s.tryPay(t, "att_2", token); status != 0 {
		t.Errorf("got %d", status)
	}
	if movements, _ := s.Booked(t.Context(), "att_2"); movements != 1 {
		t.Error("the request with the dropped answer was not booked")
	}
	set(`{"latency_ms":1}`)
	if status, told := s.tryPay(t, "att_2", token); status != 200 || told.Status != statusSucceeded {
		t.Errorf("got %d %+v", status, told)
	}
	var faults Faults
	if s.control(t, "GET", "/control/faults", "", &faults); faults != (Faults{LatencyMS: 1}) {
		t.Errorf("got %+v", faults)
	}
}

// tryPay pays in with a connection of its own, since a dropped one may be tried again by net/http.
func (s *stage) tryPay(t *testing.T, reference, token string) (int, orderAnswer) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	var told orderAnswer
	return s.call(t, "POST", "/bank/v1/pay_in", orderBody(reference, token, 5000), &told), told
}

func TestControl_Accounts(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	const body = `{"number":"9555030000000001","holder_name":"New  Person","balance":{"amount":700,"currency":"EUR"}}`
	if status := s.control(t, "POST", "/control/accounts", body, nil); status != 201 {
		t.Fatalf("got %d", status)
	}
	if status := s.control(t, "POST", "/control/accounts", body, nil); status != 409 {
		t.Errorf("the number again: %d", status)
	}
	for _, bad := range []string{
		`{}`, strings.Replace(body, "9555030000000001", "reserve-CNY", 1), strings.Replace(body, "700", "-1", 1),
		strings.Replace(body, "EUR", "ABC", 1), strings.Replace(body, "New  Person", " ", 1),
	} {
		if status := s.control(t, "POST", "/control/accounts", bad, nil); status != 422 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	s.token(t, "9555030000000001", "new person")
	if balances := s.balances(t); balances["9555030000000001"] != 700 || balances["reserve-EUR"] != 0 {
		t.Errorf("got %v", balances)
	}
	var all struct {
		Accounts []Account `json:"accounts"`
	}
	if s.control(t, "GET", "/control/accounts", "", &all); len(all.Accounts) != len(SeedAccounts())+1+3*2 {
		t.Errorf("%d accounts", len(all.Accounts))
	}
	var magic []MagicAmount
	if s.control(t, "GET", "/control/magic_amounts", "", &magic); len(magic) != len(MagicAmounts()) {
		t.Errorf("%d magic amounts", len(magic))
	}
}

// The database itself keeps movements as they are, and balances above zero.
func TestBooks_Protected(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.payIn(t, "att_1", s.zhang(t), 5000)
	for _, statement := range []string{
		`UPDATE movements SET amount_minor = 1`,
		`DELETE FROM movements`,
		`UPDATE accounts SET balance_minor = -1 WHERE kind = 'customer'`,
		`UPDATE accounts SET balance_minor = -1 WHERE kind = 'reserve'`,
	} {
		if _, err := s.db.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s was taken", statement)
		}
	}
}

// A random history from many sides at once, with repeats and magic amounts, makes and loses no
// money, and every balance is the sum of its movements.
func TestBooks_RandomHistory(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *Config) { c.Timing.PendingFor = time.Nanosecond })
	tokens := []string{s.zhang(t), s.token(t, "9555010000000025", "王芳"), s.token(t, "9555010000000900", "孙小钱")}
	var sides sync.WaitGroup
	for side := range 4 {
		sides.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(side)))
			for range 60 {
				minor := 1 + random.Int64N(3000)
				if random.IntN(3) == 0 {
					minor = 9001 + random.Int64N(20)
				}
				request := orderRequest{
					Reference: "att_" + strconv.Itoa(random.IntN(80)), AccountToken: tokens[random.IntN(len(tokens))],
					Amount: money.Amount{Minor: minor, Currency: "CNY"}, kind: []string{kindPayIn, kindPayOut}[random.IntN(2)],
				}
				if random.IntN(4) == 0 {
					request.kind, request.OriginalReference, request.AccountToken = kindRefund, request.Reference, ""
					request.Reference = "att_r" + strconv.Itoa(random.IntN(80))
				}
				if _, err := s.place(t.Context(), request); err != nil {
					t.Errorf("%+v: %v", request, err)
				}
			}
		})
	}
	sides.Wait()
	s.balances(t)
	s.checkBooks(t.Context(), t)
}

// checkBooks compares balances with movements, and refunds with what they refund.
func (s *stage) checkBooks(ctx context.Context, t *testing.T) {
	t.Helper()
	for what, query := range map[string]string{
		"a balance is not the sum of its movements": `SELECT count(*) FROM accounts a WHERE a.balance_minor <>
			(SELECT coalesce(sum(amount_minor), 0) FROM movements WHERE credit_account = a.number) -
			(SELECT coalesce(sum(amount_minor), 0) FROM movements WHERE debit_account = a.number)`,
		"a success has not one movement": `SELECT count(*) FROM orders o WHERE (o.status = 'succeeded') <>
			((SELECT count(*) FROM movements m WHERE m.reference = o.reference AND m.amount_minor = o.amount_minor) = 1)`,
		"refunds exceed their original": `SELECT count(*) FROM orders o WHERE o.amount_minor <
			(SELECT coalesce(sum(amount_minor), 0) FROM orders r
			WHERE r.original_reference = o.reference AND r.status = 'succeeded')`,
		"no order was refunded": `SELECT count(*) = 0 FROM movements WHERE kind = 'refund'`,
	} {
		var wrong int
		if err := s.db.QueryRowContext(ctx, query).Scan(&wrong); err != nil || wrong != 0 {
			t.Errorf("%s: %d, %v", what, wrong, err)
		}
	}
}

func TestStart_Errors(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), Config{}); err == nil {
		t.Error("started without keys")
	}
	s := start(t, nil)
	if _, err := Start(t.Context(), Config{Keys: s.keys, Listen: s.listener.Addr().String()}); err == nil {
		t.Error("started on a taken address")
	}
}

func TestKeys_NeverLogged(t *testing.T) {
	t.Parallel()
	keys, err := GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("keys", slog.Any("keys", keys))
	stored, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Bank struct {
			Key string `json:"key"`
		} `json:"bank"`
	}
	if err := json.Unmarshal(stored, &back); err != nil || back.Bank.Key == "" {
		t.Fatalf("%s, %v", stored, err)
	}
	if strings.Contains(out.String(), back.Bank.Key) {
		t.Error("the secret is in the log")
	}
}
