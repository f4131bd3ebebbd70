package feiqian

import (
	"context"
	"iter"
	"net/http"
)

// What lists and answers of disputes take, by shorter names than the generated ones.
type (
	// DisputeFilter narrows a list of disputes; the zero value is all.
	DisputeFilter = ListDisputesParams
	// DisputeAcceptance gives a disputed amount back.
	DisputeAcceptance = AcceptDisputeBody
	// DisputeContest puts a dispute before the operator's staff.
	DisputeContest = ContestDisputeBody
)

// Disputes are payers' complaints about the merchant's payments. Answer each until its AnswerBy.
type Disputes struct{ client *Client }

// Get reads a dispute with its files. Errors: dispute.not_found.
func (d Disputes) Get(ctx context.Context, id string) (*Dispute, error) {
	return d.act(ctx, http.MethodGet, id, "", nil, nil)
}

// All goes through all disputes of a filter, newest first. It ends at the first error.
func (d Disputes) All(ctx context.Context, filter DisputeFilter) iter.Seq2[Dispute, error] {
	return pages(func(cursor string) ([]Dispute, string, error) {
		if cursor != "" {
			filter.Cursor = cursor
		}
		var page PageDispute
		if err := d.client.get(ctx, "/v1/disputes", queryOf(filter), &page); err != nil {
			return nil, "", err
		}
		return page.Data, next(page.HasMore, page.NextCursor), nil
	})
}

// Accept gives the disputed amount back.
func (d Disputes) Accept(
	ctx context.Context, id string, word DisputeAcceptance, options ...CallOption,
) (*Dispute, error) {
	return d.act(ctx, http.MethodPost, id, "/accept", word, options)
}

// Contest puts the dispute before the operator's staff.
func (d Disputes) Contest(
	ctx context.Context, id string, word DisputeContest, options ...CallOption,
) (*Dispute, error) {
	return d.act(ctx, http.MethodPost, id, "/contest", word, options)
}

func (d Disputes) act(
	ctx context.Context, method, id, what string, body any, options []CallOption,
) (*Dispute, error) {
	name, err := segment(id)
	if err != nil {
		return nil, err
	}
	var dispute Dispute
	if err := d.client.send(ctx, method, "/v1/disputes/"+name+what, nil, body, &dispute, options...); err != nil {
		return nil, err
	}
	return &dispute, nil
}
