package feiqian

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"
)

// EventFilter narrows a list of events; the zero value is all.
type EventFilter = ListEventsParams

const (
	followEvery = time.Second
	followLimit = 100
)

// Events are what happened to the merchant's payments and refunds. They and the webhooks tell the same.
type Events struct{ client *Client }

// List reads one page, oldest first. Its NextCursor is set on the last page too: it leads to what comes.
func (e Events) List(ctx context.Context, filter EventFilter) (*PageEvent, error) {
	var page PageEvent
	if err := e.client.get(ctx, "/v1/events", queryOf(filter), &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// All goes through all events of a filter that there are by now, oldest first. It ends at the first error.
func (e Events) All(ctx context.Context, filter EventFilter) iter.Seq2[Event, error] {
	return pages(func(cursor string) ([]Event, string, error) {
		if cursor != "" {
			filter.Cursor = cursor
		}
		page, err := e.List(ctx, filter)
		if err != nil {
			return nil, "", err
		}
		return page.Data, next(page.HasMore, page.NextCursor), nil
	})
}

// Follow goes through pages of events and waits for those to come, until ctx ends. Keep NextCursor once you have
// dealt with a page, in the same transaction if you can, and begin with it as filter.Cursor after a restart: no
// event is lost, and the last page may come again. After an error it goes on from where it was, if the loop does.
func (e Events) Follow(ctx context.Context, filter EventFilter) iter.Seq2[*PageEvent, error] {
	if filter.Limit == 0 {
		filter.Limit = followLimit
	}
	return func(yield func(*PageEvent, error) bool) {
		for ctx.Err() == nil {
			page, err := e.List(ctx, filter)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				if !yield(nil, err) {
					return
				}
			default:
				if len(page.Data) > 0 && !yield(page, nil) {
					return
				}
				if page.NextCursor != "" {
					filter.Cursor = page.NextCursor
				}
				if page.HasMore {
					continue
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(followEvery):
			}
		}
	}
}

// Payment returns the payment of an event whose kind begins with "payment.", as it stood then.
func (e *Event) Payment() (*Payment, error) { return dataOf[Payment](e, "payment.") }

// Refund returns the refund of an event whose kind begins with "refund.", as it stood then.
func (e *Event) Refund() (*Refund, error) { return dataOf[Refund](e, "refund.") }

func dataOf[T any](e *Event, kinds string) (*T, error) {
	if !strings.HasPrefix(e.Kind, kinds) {
		return nil, fmt.Errorf("feiqian: event %s is %s, not %s…", e.ID, e.Kind, kinds)
	}
	var data T
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return nil, fmt.Errorf("feiqian: read event %s: %w", e.ID, err)
	}
	return &data, nil
}
