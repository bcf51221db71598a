package image

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"plimsoll/engine/catalog"
)

// Evidence is stored as JSON lines: a header with the counts, then one line per file's evidence and one per
// incompleteness.
const evidenceFormat = 2

// maxEvidence bounds what DecodeEvidence reads, in bytes.
const maxEvidence = 1 << 30

type evidenceHeader struct {
	Format     int `json:"evidence_format"`
	Evidence   int `json:"evidence"`
	Incomplete int `json:"incomplete"`
}

// EncodeEvidence writes a layer's evidence and incompleteness for DecodeEvidence.
func EncodeEvidence(w io.Writer, evidence []FileEvidence, incomplete []catalog.Incompleteness) error {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(evidenceHeader{evidenceFormat, len(evidence), len(incomplete)})
	for i := 0; i < len(evidence) && err == nil; i++ {
		err = enc.Encode(&evidence[i])
	}
	for i := 0; i < len(incomplete) && err == nil; i++ {
		err = enc.Encode(&incomplete[i])
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("encode evidence: %w", err)
	}
	return nil
}

// DecodeEvidence reads what EncodeEvidence wrote. Errors are ErrEncoding or the reader's.
func DecodeEvidence(r io.Reader) ([]FileEvidence, []catalog.Incompleteness, error) {
	limited := &io.LimitedReader{R: r, N: maxEvidence}
	dec := json.NewDecoder(limited)
	var h evidenceHeader
	if err := dec.Decode(&h); err != nil || h.Format != evidenceFormat || h.Evidence < 0 || h.Incomplete < 0 {
		return nil, nil, fmt.Errorf("%w: no evidence header of format %d: %w", ErrEncoding, evidenceFormat, err)
	}
	evidence, err := decodeLines[FileEvidence](dec, h.Evidence)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: evidence: %w", ErrEncoding, err)
	}
	incomplete, err := decodeLines[catalog.Incompleteness](dec, h.Incomplete)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: incompleteness: %w", ErrEncoding, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, nil, fmt.Errorf("%w: data after the last line of evidence", ErrEncoding)
	}
	return evidence, incomplete, nil
}

// decodeLines reads count values; a lying count costs nothing.
func decodeLines[T any](dec *json.Decoder, count int) ([]T, error) {
	var all []T
	for range count {
		var v T
		if err := dec.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		all = append(all, v)
	}
	return all, nil
}
