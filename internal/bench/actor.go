package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/wallet"
)

// actor is one client: do is one act of the scenario, from request to answer.
type actor interface {
	do() error
	close()
}

// actor returns client number i of n.
func (p *people) actor(ctx context.Context, scenario string, i, n int, server *server) (actor, error) {
	link, err := dial(ctx, server.address)
	if err != nil {
		return nil, err
	}
	c := client{
		link:   link,
		people: p,
		number: i,
		step:   n,
		at:     i % len(p.payers),
		prefix: fmt.Sprintf("%d-%d-", time.Now().UnixNano(), i),
	}
	switch scenario {
	case "transfer":
		return &transferring{client: c}, nil
	case "confirm":
		return &confirming{client: c}, nil
	case "topup":
		t := &toppingUp{client: c}
		return t, t.linkAccount(ctx, server.bank)
	default:
		return &charging{client: c}, nil
	}
}

// client is what all actors share. Each one pays as its own payers: number, number + step, ….
type client struct {
	link   *link
	people *people
	number int
	step   int
	at     int
	acts   int
	prefix string
}

func (c *client) close() { _ = c.link.conn.Close() }

func (c *client) key() string {
	c.acts++
	return c.prefix + strconv.Itoa(c.acts)
}

// payer returns the client's next payer.
func (c *client) payer() *payer {
	p := &c.people.payers[c.at]
	if c.at += c.step; c.at >= len(c.people.payers) {
		c.at = c.number % c.step // its own again: no payer has two phones' clients
	}
	return p
}

type transferring struct{ client }

func (t *transferring) do() error {
	payer := &t.people.payers[t.number%len(t.people.payers)]
	payee := t.payer()
	if payee == payer {
		payee = t.payer()
	}
	body := fmt.Appendf(
		nil,
		`{"amount":%d,"currency":"CNY","payee":"%s","pin":"%s"}`,
		1+t.acts%20, // so small that a run stays within a day's limit for the PIN alone
		payee.customer,
		payerPIN,
	)
	_, err := t.link.post("/wallet/v1/transfers", payer.token, t.key(), body)
	return err
}

type charging struct{ client }

func (t *charging) do() error {
	var clk clock.Clock
	code := t.payer().next(wallet.StepOf(clk.Now()))
	if code == "" {
		return errors.New("all payers' codes are used up for now: a shorter run or more payers")
	}
	key := t.key()
	body := fmt.Appendf(
		nil,
		`{"amount":%d,"currency":"CNY","reference":"%s","payment_code":"%s"}`,
		100+t.acts%900,
		key,
		code,
	)
	answer, err := t.link.post("/v1/payments", t.people.key, key, body)
	if err == nil && !bytes.Contains(answer, []byte(`"state":"succeeded"`)) {
		return fmt.Errorf("declined: %s", answer)
	}
	return err
}

type confirming struct{ client }

func (t *confirming) do() error {
	key := t.key()
	answer, err := t.link.post(
		"/v1/payments",
		t.people.key,
		key,
		fmt.Appendf(nil, `{"amount":%d,"currency":"CNY","reference":"%s"}`, 100+t.acts%900, key),
	)
	if err != nil {
		return err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("read the payment: %w", err)
	}
	_, err = t.link.post("/wallet/v1/payments/"+made.ID+"/confirm", t.payer().token, key, []byte(`{"pin":"`+payerPIN+`"}`))
	return err
}

type toppingUp struct {
	client
	account string
}

// linkAccount opens an account at the sandbox bank for the client's payer and links it.
func (t *toppingUp) linkAccount(ctx context.Context, bank string) error {
	number, name := fmt.Sprintf("95550199%08d", t.number), fmt.Sprintf("Payer %d", t.number)
	control, err := dial(ctx, bank)
	if err != nil {
		return err
	}
	defer control.conn.Close()
	_, err = control.post("/control/accounts", "", "", fmt.Appendf(nil,
		`{"number":"%s","holder_name":"%s","balance":{"amount":%d,"currency":"CNY"}}`, number, name, payerMoney))
	if err != nil {
		return fmt.Errorf("open a bank account: %w", err)
	}
	answer, err := t.link.post("/wallet/v1/bank_accounts", t.token(), t.key(),
		fmt.Appendf(nil, `{"number":"%s","holder_name":"%s"}`, number, name))
	if err != nil {
		return fmt.Errorf("link a bank account: %w", err)
	}
	var linked struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &linked); err != nil {
		return fmt.Errorf("link a bank account: %w", err)
	}
	t.account = linked.ID
	return nil
}

func (t *toppingUp) token() string { return t.people.payers[t.number%len(t.people.payers)].token }

// do asks for a top-up and waits until the bank's word is final.
func (t *toppingUp) do() error {
	answer, err := t.link.post("/wallet/v1/top_ups", t.token(), t.key(), fmt.Appendf(nil,
		`{"amount":%d,"currency":"CNY","bank_account_id":"%s","pin":"%s"}`, 100+t.acts%900, t.account, payerPIN))
	if err != nil {
		return err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("read the top-up: %w", err)
	}
	answer, err = t.link.get("/wallet/v1/top_ups/"+made.ID+"?wait=20", t.token())
	if err == nil && !bytes.Contains(answer, []byte(`"state":"succeeded"`)) {
		return fmt.Errorf("not topped up: %s", answer)
	}
	return err
}

// link is one kept connection that sends one request at a time: no more than HTTP/1.1 needs, so that the load generator
// costs little.
type link struct {
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
	host    string
}

const answerWait = 30 * time.Second

func dial(ctx context.Context, address string) (*link, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	return &link{conn: conn, reader: bufio.NewReaderSize(conn, 8<<10), host: address}, nil
}

func (l *link) post(path, token, key string, body []byte) ([]byte, error) {
	l.request = fmt.Appendf(
		l.request[:0],
		"POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		path,
		l.host,
		token,
		key,
		len(body),
	)
	l.request = append(l.request, body...)
	return l.roundTrip()
}

func (l *link) get(path, token string) ([]byte, error) {
	l.request = fmt.Appendf(
		l.request[:0],
		"GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n",
		path,
		l.host,
		token,
	)
	return l.roundTrip()
}

// roundTrip sends the request and reads the answer; an answer that is not 2xx is an error with its body.
func (l *link) roundTrip() ([]byte, error) {
	if err := l.conn.SetDeadline(time.Now().Add(answerWait)); err != nil {
		return nil, err
	}
	if _, err := l.conn.Write(l.request); err != nil {
		return nil, err
	}
	status, length, err := l.head()
	if err != nil {
		return nil, err
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(l.reader, body); err != nil {
		return nil, err
	}
	if status < http.StatusOK || status >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("status %d: %s", status, body)
	}
	return body, nil
}

// head reads the status line and the headers.
func (l *link) head() (status, length int, err error) {
	line, err := l.reader.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if len(line) < 12 {
		return 0, 0, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("not an answer: %q", line)
	}
	for {
		line, err := l.reader.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		if len(line) <= 2 {
			return status, length, nil
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, 0, fmt.Errorf("not an answer: %q", line)
			}
		}
	}
}
