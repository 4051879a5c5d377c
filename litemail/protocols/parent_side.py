"""How our own look-up asks the sandbox registry for a delegation, though one server has both sides of the cut.

A server that has a zone and its parent answers for the name with the zone itself (RFC 1034 4.3.2), which says
nothing about the delegation. So the query carries an EDNS option out of the range for local use (RFC 6891 9),
and our server then answers as the parent alone would. Servers that do not know the option ignore it (6.1.2).
"""

PARENT_SIDE_OPTION = 65_001
