"""Looking at packets: capture, packet diagrams, and a probe that is followed hop by hop. scapy lives here alone."""
