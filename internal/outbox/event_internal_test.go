package outbox

import (
	"encoding/json"
	"testing"
	"time"
)

// TestAppendJSON writes what the tags of Event say.
func TestAppendJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 21, 0, 0, 123_456_000, time.UTC)
	for _, event := range []Event{
		{ID: "evt_1", Kind: "payment.succeeded", Merchant: "mer_1", Subject: "pay_1", Data: []byte(`{"id":"pay_1"}`), CreatedAt: at},
		{ID: "evt_2", Kind: "transfer.succeeded", Subject: `a "quoted" one`, Data: []byte(`{}`), CreatedAt: at.Truncate(time.Second)},
	} {
		want, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := event.appendJSON(nil); err != nil || string(got) != string(want) {
			t.Errorf("%s %v\nwant %s", got, err, want)
		}
	}
}
