package api

import (
	"encoding/json"
	"fmt"
)

// requestExamples are whole bodies of merchants' requests as the documentation shows them, by operation. A test sends
// each one.
func requestExamples() map[string]string {
	return map[string]string{
		"create_payment": `{"amount": 12800, "currency": "CNY", "reference": "order-1001",
			"description": "Longjing tea, 250 g",
			"expires_in": 900, "metadata": {"cart": "77"}}`,
		"capture_payment": `{"amount": 10000, "more": true, "reference": "parcel-1"}`,
		"raise_payment":   `{"amount": 15000}`,
		"create_refund":   `{"amount": 500, "reference": "return-1001", "reason": "one cup was broken"}`,
		"split_payment": `{"splits": [{"receiver_id": "mer_01kanq4j3qf8yt0v5d7r2m9xce", "bps": 1500},
			{"receiver_id": "mer_01kanq4j3qf8yt0v5d7r2m9xcf", "amount": 500, "description": "ride"}], "release": true}`,
		"release_payment":   `{"amount": 9940}`,
		"create_split_rule": `{"name": "tour", "splits": [{"receiver_id": "mer_01kanq4j3qf8yt0v5d7r2m9xce", "bps": 1500}]}`,
		"set_refund_rules": `{"payer_requests": "automatic", "automatic_max": 5000, "automatic_within": 86400,
			"review_above": 50000}`,
		"approve_refund": `{"note": "received in good order"}`,
		"reject_refund":  `{"note": "the goods were used"}`,
		"create_checkout": `{"amount": 12800, "currency": "CNY", "reference": "order-1002",
			"description": "Longjing tea, 250 g",
			"return_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart"}`,
		"create_payment_link": `{"amount": 9900, "currency": "CNY", "description": "Spring course", "uses_max": 30,
			"expires_in": 604800, "return_url": "https://school.example/thanks"}`,
		"create_qr_code":       `{"description": "Front counter"}`,
		"accept_dispute":       `{"answer": "The parcel was lost; we are sorry."}`,
		"contest_dispute":      `{"answer": "It was signed for on 3 May; the carrier's list is among the files."}`,
		"add_evidence":         `{"content": "JVBERi0xLjcK"}`,
		"set_checkout_origins": `{"origins": ["https://shop.example"]}`,
		"create_app_request":   `{"app": "com.example.shop", "return_url": "exampleshop://paid", "expires_in": 300}`,
		"verify_instruction": `{"payment_id": "pay_01kanq4j3qf8yt0v5d7r2m9xce", "half": "order",
			"text": "{\"merchant_id\":\"mer_1\",\"reference\":\"茶 1\"}", "salt": "AAAAAAAAAAAAAAAAAAAAAA",
			"other_hash": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "link": "eyJhbGciOiJFZERTQSJ9.e30.c2ln"}`,
		"create_webhook_endpoint": `{"url": "https://shop.example/feiqian", "kinds": ["payment.*", "refund.succeeded"],
			"description": "the shop"}`,
		"change_webhook_endpoint": `{"kinds": ["payment.*"]}`,
		"enable_webhook_endpoint": `{"catch_up": true}`,
		"rotate_webhook_secret":   `{"overlap_seconds": 86400}`,
		"replay_events":           `{"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "undelivered_only": true}`,
		"debug_signature": `{"method": "POST", "url": "https://pay.example/v1/payments",
			"headers": {"content-type": "application/json"}, "body": "{}"}`,
	}
}

// exampleOf returns the example of an operation's body, nil for none. It panics for one that is no JSON.
func exampleOf(operation string) any {
	text, known := requestExamples()[operation]
	if !known {
		return nil
	}
	var body any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		panic(fmt.Sprintf("api: the example of %s: %v", operation, err))
	}
	return body
}
