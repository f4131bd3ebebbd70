// Command house does what a merchant sets up once: a rule for splits, rules for refunds, a payment link, a printed
// code, a webhook endpoint, the sites that may show the page. Then it takes all of it back.
//
//	FEIQIAN_URL=http://127.0.0.1:8080 FEIQIAN_KEY=sk_sandbox_… go run ./sdk/go/examples/house mer_…
//
// The argument is a merchant that receives a part of each payment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	feiqian "github.com/feiqian/feiqian/sdk/go"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := feiqian.New(os.Getenv("FEIQIAN_KEY"), feiqian.WithBaseURL(os.Getenv("FEIQIAN_URL")))
	if err == nil && len(os.Args) < 2 {
		err = errors.New("name the merchant that receives a part: mer_…")
	}
	if err == nil {
		err = setUp(ctx, client, os.Args[1])
	}
	if err != nil {
		log.Fatal(err) //nolint:gocritic // the time-out ends with the program
	}
}

func setUp(ctx context.Context, client *feiqian.Client, partner string) error {
	rule, err := client.SplitRules.Create(ctx, "partner", feiqian.SplitPart{ReceiverID: partner, Bps: 1000})
	if err != nil {
		return err
	}
	if err := sell(ctx, client, rule.ID); err != nil {
		return err
	}
	if err := listen(ctx, client); err != nil {
		return err
	}
	rules, err := client.Refunds.SetRules(ctx, feiqian.NewRefundRules{PayerRequests: "review", ReviewAbove: 500_00})
	if err != nil {
		return err
	}
	origins, err := client.Checkouts.SetOrigins(ctx, "http://localhost:3000")
	if err != nil {
		return err
	}
	fmt.Println("rules", rules.PayerRequests, rules.ReviewAbove, origins.Origins)
	return client.SplitRules.End(ctx, rule.ID)
}

// sell makes what payers pay by: a link and a code, whose payments are split by a rule.
func sell(ctx context.Context, client *feiqian.Client, rule string) error {
	link, err := client.PaymentLinks.Create(ctx, feiqian.NewPaymentLink{
		Amount: 9900, Description: "Spring course", UsesMax: 30, SplitRuleID: rule,
	})
	if err != nil {
		return err
	}
	code, err := client.QRCodes.Create(ctx, feiqian.NewQRCode{Description: "Tea", SplitRuleID: rule})
	if err != nil {
		return err
	}
	picture, err := client.QRCodes.Draw(ctx, code.ID, feiqian.Drawing{Format: "svg"})
	if err != nil {
		return err
	}
	fmt.Println("made link", link.State, "code", code.State, string(picture[:4]))
	for known, err := range client.PaymentLinks.All(ctx, feiqian.PaymentLinkFilter{State: "active"}) {
		if err != nil {
			return err
		}
		if known.ID == link.ID {
			fmt.Println("listed")
		}
	}
	if link, err = client.PaymentLinks.Disable(ctx, link.ID); err != nil {
		return err
	}
	if code, err = client.QRCodes.Disable(ctx, code.ID); err != nil {
		return err
	}
	fmt.Println("taken back link", link.State, "code", code.State)
	return nil
}

// listen makes an endpoint for webhooks. Keep its secret: it is shown this once.
func listen(ctx context.Context, client *feiqian.Client) error {
	hook, err := client.WebhookEndpoints.Create(ctx, feiqian.NewWebhookEndpoint{
		URL: fmt.Sprintf("http://127.0.0.1:9/%d", time.Now().UnixNano()), Kinds: []string{"payment.*"},
	})
	if err != nil {
		return err
	}
	if _, err := client.WebhookEndpoints.RotateSecret(ctx, hook.ID, time.Hour); err != nil {
		return err
	}
	tried, err := client.WebhookEndpoints.Test(ctx, hook.ID)
	if err != nil {
		return err
	}
	fmt.Println("webhook", hook.State, tried.Problem)
	return client.WebhookEndpoints.Delete(ctx, hook.ID)
}
