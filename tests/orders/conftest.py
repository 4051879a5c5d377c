from tests.buyers import buyer as buyer
from tests.buyers import new_buyer as new_buyer
