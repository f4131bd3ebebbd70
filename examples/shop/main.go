// Command shop is a small shop that sells three goods through Feiqian. It shows what an integration needs: create
// a payment, send the buyer to checkout, learn the outcome from the API and from webhooks, refund. README.md says
// how to run it. Orders live in memory: a real shop keeps them, and the ids of the events that it has seen, in its
// database.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed" // of page
	"errors"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	feiqian "github.com/feiqian/feiqian/sdk/go"
)

//go:embed shop.html
var page string

// good is something to buy; Price is in minor units.
type good struct {
	ID, Name string
	Price    int64
}

const currency = "CNY"

var goods = []good{ //nolint:gochecknoglobals // a constant
	{"tea", "龙井茶 Longjing tea", 6800}, {"cup", "青瓷杯 Celadon cup", 12000}, {"fan", "折扇 Folding fan", 3500},
}

// order is one purchase. Events are those that verified webhooks brought, by their ids: one may come twice.
type order struct {
	Number, Payment, CheckoutURL string
	Good                         good
	Events                       map[string]feiqian.Event
}

type shop struct {
	client *feiqian.Client
	self   string // where buyers reach the shop
	views  *template.Template

	mu     sync.Mutex
	orders map[string]*order
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	listen := cmp.Or(os.Getenv("SHOP_LISTEN"), "127.0.0.1:8099")
	client, err := feiqian.New(os.Getenv("FEIQIAN_KEY"),
		feiqian.WithBaseURL(cmp.Or(os.Getenv("FEIQIAN_URL"), feiqian.DefaultBaseURL)))
	if err != nil {
		return fmt.Errorf("%w; set FEIQIAN_KEY to a merchant's key, as `make run` shows it", err)
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address by SHOP_LISTEN", err)
	}
	self := "http://" + listener.Addr().String()
	s := &shop{client: client, self: self, orders: map[string]*order{}}
	handler, err := s.handler(os.Getenv("FEIQIAN_WEBHOOK_SECRET"), cmp.Or(os.Getenv("SHOP_SDK"), "sdk/js/dist"))
	if err != nil {
		return err
	}
	log.Printf("the shop is open: %s; webhooks go to /webhooks", self) //nolint:gosec // who starts the shop names it
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

// handler serves the shop. Without a secret it takes no webhooks and asks the API alone.
func (s *shop) handler(secret, sdk string) (http.Handler, error) {
	views, err := template.New("shop").Funcs(template.FuncMap{"yuan": yuan}).Parse(page)
	if err != nil {
		return nil, err
	}
	s.views = views
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { s.show(w, "goods", goods) })
	mux.HandleFunc("POST /orders", s.buy)
	mux.HandleFunc("GET /orders/{number}", s.look)
	mux.HandleFunc("POST /orders/{number}/refund", s.refund)
	mux.Handle("GET /sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(sdk))))
	guarded := http.NewCrossOriginProtection() // other sites cannot buy for our visitors
	if secret != "" {
		hook, err := feiqian.NewWebhook(secret)
		if err != nil {
			return nil, err
		}
		mux.Handle("POST /webhooks", hook.Handler(s.learn))
	}
	return guarded.Handler(mux), nil
}

// buy makes an order and its payment. With a payment code, as a till scans it, the answer is final; else the buyer
// goes to the order's page and from there to checkout.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	found := slices.IndexFunc(goods, func(g good) bool { return g.ID == r.FormValue("good") })
	if found < 0 {
		http.NotFound(w, r)
		return
	}
	bought := &order{
		Number: "shop-" + strings.ToLower(rand.Text()[:12]), Good: goods[found], Events: map[string]feiqian.Event{},
	}
	if err := s.ask(r.Context(), bought, r.FormValue("code")); err != nil {
		s.trouble(w, err)
		return
	}
	s.mu.Lock()
	s.orders[bought.Number] = bought
	s.mu.Unlock()
	http.Redirect(w, r, "/orders/"+bought.Number, http.StatusSeeOther)
}

// ask makes the payment of an order. The order's number is the reference and the idempotency key: however often
// this is repeated, there is one payment.
func (s *shop) ask(ctx context.Context, bought *order, scanned string) error {
	if scanned == "" {
		made, err := s.client.Checkouts.Create(ctx, feiqian.NewCheckout{
			Amount: bought.Good.Price, Currency: currency, Reference: bought.Number, Description: bought.Good.Name,
			ReturnURL: s.self + "/orders/" + bought.Number,
		}, feiqian.Key(bought.Number))
		if err != nil {
			return err
		}
		bought.Payment, bought.CheckoutURL = made.ID, made.URL
		return nil
	}
	code, err := feiqian.ParsePaymentCode(scanned)
	if err != nil {
		return err
	}
	payment, err := s.client.Payments.Create(ctx, feiqian.NewPayment{
		Amount: bought.Good.Price, Currency: currency, Reference: bought.Number, Description: bought.Good.Name,
		PaymentCode: code,
	}, feiqian.Key(bought.Number))
	if err != nil {
		return err
	}
	bought.Payment = payment.ID
	return nil
}

func (s *shop) find(r *http.Request) (*order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.orders[r.PathValue("number")]
	return known, ok
}

// look shows an order. What its payment is, only the API says: that a browser came back from checkout proves nothing.
func (s *shop) look(w http.ResponseWriter, r *http.Request) {
	known, ok := s.find(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	payment, err := s.client.Payments.Get(r.Context(), known.Payment, "refunds")
	if err != nil {
		s.trouble(w, err)
		return
	}
	s.mu.Lock()
	events := make([]feiqian.Event, 0, len(known.Events))
	for _, event := range known.Events {
		events = append(events, event)
	}
	s.mu.Unlock()
	slices.SortFunc(events, func(a, b feiqian.Event) int { return strings.Compare(a.ID, b.ID) })
	s.show(w, "order", map[string]any{"Order": known, "Payment": payment, "Events": events})
}

// refund gives all back. The key is the order's: two presses are one refund. It may wait for a review.
func (s *shop) refund(w http.ResponseWriter, r *http.Request) {
	known, ok := s.find(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, err := s.client.Payments.Refund(r.Context(), known.Payment,
		feiqian.NewRefund{Reason: "the buyer sent it back", Reference: "refund-" + known.Number},
		feiqian.Key("refund-"+known.Number))
	if err != nil {
		s.trouble(w, err)
		return
	}
	http.Redirect(w, r, "/orders/"+known.Number, http.StatusSeeOther)
}

// learn keeps a verified event with its order. Events of other payments of the merchant are not the shop's.
func (s *shop) learn(_ context.Context, event *feiqian.Event) error {
	name := event.Subject
	if refund, err := event.Refund(); err == nil {
		name = refund.PaymentID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.orders {
		if known.Payment == name {
			known.Events[event.ID] = *event
		}
	}
	return nil
}

func (s *shop) show(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := s.views.ExecuteTemplate(w, name, data); err != nil {
		log.Print(err)
	}
}

// trouble says what the buyer may know: why the API refused, or that it is not there now.
func (s *shop) trouble(w http.ResponseWriter, err error) {
	log.Print(err)
	said := "We cannot take payments right now. Try again in a minute. 暂时无法付款，请稍后再试。"
	if refused := (*feiqian.Error)(nil); errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		said = strings.TrimSuffix(refused.Detail+"; "+refused.Hint, "; ")
	} else if errors.Is(err, feiqian.ErrNotPaymentCode) {
		said = "That is not a payment code: scan again. 这不是付款码，请重新扫描。"
	}
	w.WriteHeader(http.StatusBadGateway)
	s.show(w, "trouble", said)
}

// yuan writes minor units of a currency with two decimals.
func yuan(minor int64) string { return fmt.Sprintf("¥%d.%02d", minor/100, minor%100) } //nolint:mnd // fen
